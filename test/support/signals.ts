/** The addon `signals` of test/native: signal handlers that are not ours. Loaded in child processes only. */

/** What the addon offers; `place` is 0 or 1. */
export interface SignalsAddon {
  /**
   * Installs a handler for SIGSEGV and SIGBUS. Modes: 0 returns, 1 calls the handler that was there before, 2 repairs the page,
   * 3 jumps out, 4 returns and never ends the process. `flags` are sigaction(2)'s. `plain`: without SA_SIGINFO.
   */
  install(place: number, mode: number, flags: number, plain: number): void;
  /** Restores the handlers that were there when it was installed. */
  reset(place: number): void;
  setDefault(): void;
  /** Ignores SIGBUS. */
  ignore(): void;
  /** Stores where it may not. True: a handler jumped out of it. */
  fault(signal: number): boolean;
  /** Reports corrupt memory as the kernel does: in the buffer, or outside of all regions. */
  announce(buffer?: Uint8Array, offset?: number): void;
  /** Calls of handler 0 by SIGSEGV and SIGBUS, of handler 1 likewise, wrong addresses seen, 1 if either signal is blocked. */
  state(): number[];
}
