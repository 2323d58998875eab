/** A unified diff as lines that say what they are. */

export type DiffLineKind = 'added' | 'removed' | 'same' | 'place';

export interface IDiffLine {
  readonly kind: DiffLineKind;
  /** The line without its sign. */
  readonly text: string;
}

const KINDS: Record<string, DiffLineKind> = { '+': 'added', '-': 'removed' };

/** Return a diff's lines; the two lines that name the files are left out. */
export function diffLines(diff: string): IDiffLine[] {
  const lines = diff.replace(/\n$/, '').split('\n');
  const found: IDiffLine[] = [];
  let within = false; // only above the first place do `---` and `+++` name files
  for (const line of lines) {
    if (line.startsWith('@@')) {
      within = true;
      found.push({ kind: 'place', text: line });
    } else if (within && !line.startsWith('\\')) {
      found.push({ kind: KINDS[line[0]] ?? 'same', text: line.slice(1) });
    }
  }
  return found;
}

/** How many lines a diff adds and takes away. */
export function diffCounts(diff: string): { added: number; removed: number } {
  const lines = diffLines(diff);
  const count = (kind: DiffLineKind) => lines.filter(line => line.kind === kind).length;
  return { added: count('added'), removed: count('removed') };
}
