/** Tests that cannot run on a build with sanitizers. `npm test` runs them on the plain build. */

/** Skips the test if the sanitizers' runtime is loaded: the process that the test starts lacks it, or cannot work with it. */
export function needsPlainBuild(context: Mocha.Context): void {
  if (!(process.env['LD_PRELOAD'] ?? '').includes('libasan')) return;
  console.log('      skipped: the addon is built with sanitizers');
  context.skip();
}
