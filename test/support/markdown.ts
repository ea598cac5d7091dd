/** The code blocks and links of a page in Markdown, and the marks before them. */

/** A fenced block. */
export interface Block {
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** `<!-- run -->` and `<!-- run: NAME -->` before it. */
  readonly isRun: boolean;
  /** `<!-- given: CODE -->` before it: what the reader is spared. */
  readonly given: string | undefined;
  /** `<!-- example: NAME -->` before it. */
  readonly example: string | undefined;
  /** The `text` block that follows at once: what it prints. */
  readonly prints: string | undefined;
}

const FENCE = /^((?:<!--(?:(?!-->)[\s\S])*-->\n)*)( *)```([a-z]*)\n([\s\S]*?)^\2```$/gm;

/** All blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const found = [...page.matchAll(FENCE)];
  return found.map((match, i): Block => {
    const [whole, marks = '', indent = '', language = '', code = ''] = match;
    const end = match.index + whole.length;
    const next = found[i + 1];
    const follows = next !== undefined && next[3] === 'text' && page.slice(end, next.index).trim() === '';
    const given = /<!-- given: ([\s\S]*?)-->/.exec(marks)?.[1];
    return {
      line: page.slice(0, match.index + marks.length).split('\n').length + 1,
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      isRun: /<!-- run(?:: \w+)? -->/.test(marks),
      given,
      example: /<!-- example: (\w+) -->/.exec(marks)?.[1],
      prints: follows ? next[4] : undefined,
    };
  });
}

/** The page without its fenced blocks and code spans: what has links and headings. */
function prose(page: string): string {
  return page.replaceAll(FENCE, '').replaceAll(/`[^`\n]*`/g, '');
}

/** Targets of links and pictures that are not of the web. */
export function linksOf(page: string): string[] {
  const text = prose(page);
  const targets = [
    ...[...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target),
    ...[...text.matchAll(/ (?:src|srcset)="([^"]+)"/g)].map(([, target = '']) => target),
  ];
  return targets.filter((target) => !/^https?:/.test(target));
}

/** What a link can name after `#`, as GitHub makes it of a heading. */
export function anchorsOf(page: string): string[] {
  return [...page.replaceAll(FENCE, '').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
