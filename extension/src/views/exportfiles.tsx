/** The files of one export: which differ, the text of each, and what writing would change. */

import type { ExportFile, ExportPreview, FileState } from '../api';
import { useArg, useTrans } from '../components/context';
import type { GlyphName } from '../components/icons';
import { Notice } from '../components/states';
import { Mark, type Tone } from '../components/status';
import { Spacer, ToolButton } from '../components/toolbar';
import { diffCounts, diffLines, type DiffLineKind } from '../model/difference';
import type { Trans } from '../tokens';

const LOOKS: Record<FileState, { glyph: GlyphName; tone: Tone }> = {
  missing: { glyph: 'restored', tone: 'busy' },
  stale: { glyph: 'stale', tone: 'warn' },
  same: { glyph: 'done', tone: 'good' },
  'left-over': { glyph: 'stopped', tone: 'bad' }
};

const SIGNS: Record<DiffLineKind, string> = {
  added: '+',
  removed: '−',
  same: ' ',
  place: ''
};

export function ExportFiles(props: {
  preview: ExportPreview;
  title: string;
  /** What the last writing did. */
  said: string;
}): JSX.Element {
  const trans = useTrans();
  const { files, notes } = props.preview;
  const [path, setPath] = useArg<string>('file', '');
  const file =
    files.find(one => one.path === path) ??
    files.find(one => one.state !== 'same') ??
    files[0];
  if (!file) {
    return (
      <Notice title={trans.__('%1 needs no file', props.title)} role="status">
        {trans.__('There is nothing to write for this project.')}
      </Notice>
    );
  }
  return (
    <>
      <div className="mn-Summary">
        <strong>{props.title}</strong>
        <span className="mn-cut">{summaryText(files, trans)}</span>
        {props.said && (
          <>
            <Spacer />
            <Mark glyph="done" tone="good">
              {props.said}
            </Mark>
          </>
        )}
      </div>
      {notes.length > 0 && (
        <section className="mn-Notes" aria-label={trans.__('What the project lacks')}>
          <ul>
            {notes.map(note => (
              <li key={note}>
                <Mark glyph="warning" tone="warn">
                  {note}
                </Mark>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div className="mn-Files">
        <nav aria-label={trans.__('Files')}>
          <ul className="mn-List">
            {files.map(one => (
              <li key={one.path}>
                <button
                  type="button"
                  aria-current={one === file || undefined}
                  title={`${one.path}\n${stateText(one.state, trans)}`}
                  onClick={() => setPath(one.path)}
                >
                  <code className="mn-cut">{one.path}</code>
                  <Mark {...LOOKS[one.state]}>{stateText(one.state, trans)}</Mark>
                </button>
              </li>
            ))}
          </ul>
        </nav>
        <FileText key={file.path} file={file} />
      </div>
    </>
  );
}

function FileText(props: { file: ExportFile }): JSX.Element {
  const trans = useTrans();
  const { file } = props;
  const [mode, setMode] = useArg<string>('mode', 'diff');
  const canDiff = file.diff !== '' && file.state !== 'missing';
  const canText = file.state !== 'left-over';
  const isDiff = canDiff && (mode === 'diff' || !canText);
  const { added, removed } = diffCounts(file.diff);
  return (
    <section className="mn-File" aria-label={file.path}>
      <header>
        <code className="mn-cut">{file.path}</code>
        {canDiff && (
          <span className="mn-number mn-quiet">
            {trans.__('%1 added, %2 removed', added, removed)}
          </span>
        )}
        {!canDiff && (
          <span className="mn-quiet">
            {file.state === 'missing'
              ? trans.__('a new file')
              : trans.__('already as it would be written')}
          </span>
        )}
        <Spacer />
        {canDiff && canText && (
          <>
            <ToolButton
              label={trans.__('Changes')}
              pressed={isDiff}
              onClick={() => setMode('diff')}
            />
            <ToolButton
              label={trans.__('Whole File')}
              pressed={!isDiff}
              onClick={() => setMode('text')}
            />
          </>
        )}
      </header>
      {isDiff ? (
        <Diff file={file} />
      ) : (
        // Long files scroll, so they can be focused: the keyboard scrolls them too.
        <pre tabIndex={0} aria-label={trans.__('Text of %1', file.path)} role="region">
          {file.text || trans.__('(an empty file)')}
        </pre>
      )}
    </section>
  );
}

function Diff(props: { file: ExportFile }): JSX.Element {
  const trans = useTrans();
  return (
    <pre
      className="mn-Diff"
      tabIndex={0}
      role="region"
      aria-label={trans.__('Changes of %1', props.file.path)}
    >
      {diffLines(props.file.diff).map((line, index) => (
        <span key={index} className={`mn-Diff-line mn-mod-${line.kind}`}>
          {line.kind !== 'place' && (
            <span className="mn-Diff-sign">{SIGNS[line.kind]}</span>
          )}
          {line.text}
          {'\n'}
        </span>
      ))}
    </pre>
  );
}

function stateText(state: FileState, trans: Trans): string {
  switch (state) {
    case 'missing':
      return trans.__('new');
    case 'stale':
      return trans.__('differs');
    case 'same':
      return trans.__('same');
    case 'left-over':
      return trans.__('left over');
  }
}

/** `3 files: 1 new, 1 differs, 1 same`. */
function summaryText(files: readonly ExportFile[], trans: Trans): string {
  const states: FileState[] = ['missing', 'stale', 'left-over', 'same'];
  const parts = states
    .map(state => [state, files.filter(one => one.state === state).length] as const)
    .filter(([, count]) => count > 0)
    .map(([state, count]) =>
      state === 'stale'
        ? trans._n('%1 differs', '%1 differ', count)
        : `${count} ${stateText(state, trans)}`
    );
  return `${trans._n('%1 file', '%1 files', files.length)}: ${parts.join(', ')}`;
}
