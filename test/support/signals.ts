/** The addon `signals` of test/native, which stands for other people's signal handlers. Loaded in child processes only. */

/** What the addon offers; `place` is 0 or 1. */
export interface SignalsAddon {
  /** Installs a handler for SIGSEGV and SIGBUS: see {@link Mode}, {@link Flag}. `plain`: without SA_SIGINFO. */
  install(place: number, mode: number, flags: number, plain: number): void;
  /** Puts back what was there when it was installed. */
  reset(place: number): void;
  setDefault(): void;
  /** Ignores SIGBUS. */
  ignore(): void;
  /** Stores where it may not; true when a handler jumped out of it. */
  fault(signal: number): boolean;
  /** As the kernel announces that memory is corrupt: in the buffer, or somewhere that is not ours. */
  announce(buffer?: Uint8Array, offset?: number): void;
  /** Calls of handler 0 by SIGSEGV and SIGBUS, of 1 likewise, wrong addresses seen, 1 if either signal is blocked. */
  state(): number[];
}
