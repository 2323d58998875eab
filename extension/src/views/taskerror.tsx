/** Why a task did not succeed: the cell, its source, the error, and the way there. */

import type { ErrorInfo } from '../api';
import { useTrans } from '../components/context';
import { Glyph } from '../components/icons';
import { CommandButton } from '../components/toolbar';
import { CommandIDs } from '../tokens';

export function TaskError(props: {
  run: string;
  task: { task: string; error: ErrorInfo | null; report: string };
}): JSX.Element | null {
  const trans = useTrans();
  const { error, task, report } = props.task;
  if (!error) {
    return null;
  }
  const args = { run: props.run, task };
  const cell = error.cell === null ? '' : trans.__('cell %1', error.cell + 1);
  return (
    <section className="mn-TaskError" aria-label={trans.__('Why %1 failed', task)}>
      <header className="mn-tone-bad">
        <Glyph name="failed" />
        <strong>{[task, cell].filter(Boolean).join(', ')}</strong>
        <span className="mn-Spacer" />
        {error.cell !== null && (
          <CommandButton id={CommandIDs.openFailingCell} args={args} wordy />
        )}
        {report && <CommandButton id={CommandIDs.openReport} args={args} wordy />}
      </header>
      <p className="mn-mono">
        {error.name}: {error.message}
      </p>
      {error.source && <pre className="mn-Source">{error.source}</pre>}
      {error.traceback && (
        <details>
          <summary>{trans.__('Traceback')}</summary>
          <pre>{error.traceback}</pre>
        </details>
      )}
    </section>
  );
}
