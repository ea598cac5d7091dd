/** What only root can try. */

/** Skips the test unless this is root; in CI it has to be. */
export function needsRoot(context: Mocha.Context): void {
  if (process.getuid?.() === 0) return;
  if (process.env['CI'] === 'true') throw new Error('CI runs as root');
  console.log('      skipped: not root');
  context.skip();
}

/** A user without any rights (nobody). */
export const NOBODY = 65534;
