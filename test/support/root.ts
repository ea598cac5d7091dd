/** Tests that only root can run. */

/** Skips the test unless this process is root's; in CI it throws. */
export function needsRoot(context: Mocha.Context): void {
  if (process.getuid?.() === 0) return;
  if (process.env['CI'] === 'true') throw new Error('CI runs as root');
  console.log('      skipped: not root');
  context.skip();
}

/** A user without any rights (nobody). */
export const NOBODY = 65534;
