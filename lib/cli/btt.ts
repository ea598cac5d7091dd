/** `pmem btt format|check|info PATH`: block translation tables. */

import { Btt } from '../block/btt/btt.js';
import type { BttReport } from '../block/btt/check.js';
import { type BttSectorSize, type BttVersion, SECTOR_SIZES } from '../block/btt/layout.js';
import { PmemError } from '../errors.js';
import { contentsOf } from '../memory/contents.js';
import { Region } from '../memory/region/region.js';
import { formatSize } from '../units.js';
import { type Arguments, type Command, UsageError } from './command.js';
import { print, printJson } from './output.js';
import { colours, wrap } from './style.js';
import { pairs } from './table.js';
import { BREAK, control, emit } from './terminal.js';

/** Damage was found, and is still there: as ndctl and fsck tell it from an error of their own by what they print. */
const DAMAGED = 1;

const COMMON = ['json', 'help'];
const ACTIONS: Readonly<Record<string, readonly string[]>> = {
  format: ['sector-size', 'layout', 'uuid', 'parent-uuid', 'nfree', 'force', 'yes', 'assume-persistent'],
  check: ['repair', 'rewrite-log', 'yes', 'assume-persistent'],
  info: [],
};

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`--${name} must be a whole number; got '${text}'`, 'btt');
  return Number(text);
}

function sectorSizeOf(text: string | undefined): BttSectorSize | undefined {
  const size = numberOf('sector-size', text);
  const known = SECTOR_SIZES.find((one) => one === size);
  if (size !== undefined && known === undefined) {
    throw new UsageError(`--sector-size must be one of ${SECTOR_SIZES.join(', ')}; got '${text}'`, 'btt');
  }
  return known;
}

function layoutOf(text: string | undefined): BttVersion | undefined {
  if (text === undefined || text === '1.1' || text === '2.0') return text;
  throw new UsageError(`--layout must be 1.1 or 2.0; got '${text}'`, 'btt');
}

/** The region for the time of a call. */
async function on<Result>(
  path: string,
  { flags }: Arguments,
  readOnly: boolean,
  run: (region: Region) => Result | Promise<Result>,
): Promise<Result> {
  const assume = flags.has('assume-persistent') ? { assumePersistent: true } : {};
  const region = Region.open(path, readOnly ? { readOnly: true, shared: true } : assume);
  try {
    return await run(region);
  } finally {
    region.close();
  }
}

/** What the user is told before it is too late. */
function refuseUnasked({ flags }: Arguments, question: string): void {
  if (!flags.has('yes')) throw new PmemError('ERR_PMEM_NOT_CONFIRMED', `${question}; say --yes to do it`);
}

/** Progress, for people who look at a terminal. */
function progress(verb: string): (done: { done: number; total: number }) => void {
  let shown = -1;
  return ({ done, total }) => {
    const percent = Math.floor((100 * done) / total);
    if (!process.stderr.isTTY || percent === shown || total < 2 ** 28) return;
    shown = percent;
    emit(process.stderr, `${control('\r')}${verb} ${percent} %${percent === 100 ? BREAK : ''}`);
  };
}

async function format(path: string, args: Arguments): Promise<number> {
  const { values, flags } = args;
  const sectorSize = sectorSizeOf(values.get('sector-size'));
  const version = layoutOf(values.get('layout'));
  const nfree = numberOf('nfree', values.get('nfree'));
  const [uuid, parentUuid] = [values.get('uuid'), values.get('parent-uuid')];
  return await on(path, args, false, async (region) => {
    const data = contentsOf(region);
    const force = flags.has('force');
    if (data === undefined || force) {
      const there = data === undefined ? '' : ` (it holds ${data})`;
      refuseUnasked(
        args,
        `'${path}', ${formatSize(region.size)}, is going to be formatted, and loses its contents${there}`,
      );
    }
    await Btt.formatAsync(region, {
      force,
      ...(sectorSize === undefined ? {} : { sectorSize }),
      ...(version === undefined ? {} : { version }),
      ...(nfree === undefined ? {} : { nfree }),
      ...(uuid === undefined ? {} : { uuid }),
      ...(parentUuid === undefined ? {} : { parentUuid }),
      onProgress: progress('formatting'),
    });
    return show(path, region, flags.has('json'));
  });
}

function reportInWords(path: string, { version, arenas, problems, status, lanesRewritten }: BttReport): void {
  const { bold } = colours();
  const several = arenas === 1 ? '1 arena' : `${arenas} arenas`;
  print(`${bold(path)}: BTT ${version}, ${several}: ${status}`);
  for (const { code, arena, detail, repairable, repaired } of problems) {
    const fate = repaired ? 'repaired' : repairable ? 'can be repaired' : 'cannot be repaired';
    print(`  arena ${arena}  ${bold(code)} (${fate})`);
    print(`    ${wrap(detail, 4)}`);
  }
  if (lanesRewritten > 0) print(`The log was rewritten: ${lanesRewritten} ${lanesRewritten === 1 ? 'lane' : 'lanes'}.`);
  if (status === 'repairable') print("'pmem btt check --repair --yes' repairs it.");
  if (status === 'unsafe')
    print('Nothing was changed, and nothing should be written to it; a read-only Btt.open gives what there is.');
}

async function check(path: string, args: Arguments): Promise<number> {
  const { flags } = args;
  const repair = flags.has('repair');
  const rewriteLog = flags.has('rewrite-log');
  if (rewriteLog && !repair) throw new UsageError('--rewrite-log needs --repair', 'btt');
  if (repair) refuseUnasked(args, `'${path}' is going to be repaired${rewriteLog ? ', and its log rewritten' : ''}`);
  return await on(path, args, !repair, async (region) => {
    const report = await Btt.checkAsync(region, { repair, rewriteLog, onProgress: progress('checking') });
    if (flags.has('json')) printJson({ path, ...report });
    else reportInWords(path, report);
    return report.status === 'clean' || report.status === 'repaired' ? 0 : DAMAGED;
  });
}

function show(path: string, region: Region, json: boolean): number {
  using btt = Btt.open(region, { readOnly: true });
  const { info } = btt;
  if (json) {
    printJson({ path, ...info });
    return 0;
  }
  const { bold } = colours();
  const [first] = info.arenas;
  const facts = pairs([
    ['path', path],
    ['version', info.version === '1.1' ? '1.1 (Linux, from 4096 on)' : '2.0 (UEFI, from 0 on)'],
    ['UUID', info.uuid],
    ['parent UUID', info.parentUuid],
    ['sectors', `${info.sectorCount} of ${info.sectorSize} bytes, ${formatSize(info.size)}`],
    ['blocks', `of ${first?.blockSize} bytes, ${first?.nfree} free in each arena`],
    ...info.arenas.map(({ offset, sectorCount, mapOffset, flogOffset, infoCopyOffset }, i): [string, string] => [
      `arena ${i}`,
      `at ${offset}: ${sectorCount} sectors; map at ${mapOffset}, flog at ${flogOffset}, copy at ${infoCopyOffset}`,
    ]),
    ...info.problems.map(({ arena, code, detail }): [string, string] => [
      'problem',
      `arena ${arena}, ${code}: ${detail}`,
    ]),
  ]);
  for (const [name, value] of facts) print(`${bold(name)}  ${wrap(value, name.length + 2)}`);
  return 0;
}

async function run(args: Arguments): Promise<number> {
  const [action = '', path, extra] = args.operands;
  const known = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (known === undefined) throw new UsageError(`btt needs format, check or info; got '${action}'`, 'btt');
  if (path === undefined) throw new UsageError(`PATH is missing: pmem btt ${action} PATH`, 'btt');
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`, 'btt');
  for (const option of [...args.flags, ...args.values.keys()]) {
    if (![...known, ...COMMON].includes(option)) {
      throw new UsageError(`option '--${option}' is not one of btt ${action}`, 'btt');
    }
  }
  if (action === 'format') return await format(path, args);
  if (action === 'check') return await check(path, args);
  return await on(path, args, true, (region) => show(path, region, args.flags.has('json')));
}

export const btt: Command = {
  name: 'btt',
  operands: 'format|check|info PATH',
  summary: 'block translation tables: disks with atomic sectors',
  description: [
    'A BTT gives memory sectors that a power cut leaves old or new, never torn: Linux calls it a namespace in sector mode. PATH is a file, /dev/daxX.Y, or a namespace in raw mode.',
    'format makes one; what was there is gone, so it wants --yes, and --force as well where it is not blank. check finds what is wrong (exit code 1 if there is something left), with --repair it repairs all that is wrong or changes nothing. info shows the layout.',
  ],
  options: {
    'sector-size': {
      type: 'string',
      short: 'b',
      value: 'BYTES',
      help: 'format: 512, 520, 528, 4096 (default), 4104, 4160 or 4224',
    },
    layout: {
      type: 'string',
      value: 'VERSION',
      help: 'format: 1.1 as Linux makes it (default), or 2.0 as UEFI describes it',
    },
    uuid: { type: 'string', value: 'UUID', help: 'format: default is a random one' },
    'parent-uuid': {
      type: 'string',
      value: 'UUID',
      help: "format: the namespace's; Linux refuses a BTT with another one's",
    },
    nfree: { type: 'string', value: 'COUNT', help: 'format: free blocks of an arena, 256 by default' },
    force: { type: 'boolean', short: 'f', help: 'format: over what is there' },
    repair: { type: 'boolean', help: 'check: repair what can be repaired' },
    'rewrite-log': {
      type: 'boolean',
      help: 'check --repair: make the log as new, for kernels before 4.15 and from there on',
    },
    yes: { type: 'boolean', short: 'y', help: 'format and check --repair: do it' },
    'assume-persistent': {
      type: 'boolean',
      help: 'store with cache flushes although the kernel promises nothing (tmpfs)',
    },
    json: { type: 'boolean', help: 'print an object for scripts' },
  },
  run,
};
