/** What cannot be tried on a build with sanitizers; `npm test` tries it on the plain one. */

/** Skips the test where the sanitizers' runtime is loaded: it is not, or cannot work, in the process that the test starts. */
export function needsPlainBuild(context: Mocha.Context): void {
  if (!(process.env['LD_PRELOAD'] ?? '').includes('libasan')) return;
  console.log('      skipped: the addon is built with sanitizers');
  context.skip();
}
