/** One line above the graph: what goes on now, else what a run would do. */

import type { PipelineView, PlanView, RunView } from '../api';
import { Took } from '../components/clock';
import { usePanel, useTrans } from '../components/context';
import { duration } from '../components/format';
import { Mark, Status, statusText } from '../components/status';
import { progress } from '../model/history';
import { CommandIDs, type Trans } from '../tokens';

export function PipelineSummary(props: {
  pipeline: PipelineView;
  live: RunView | null;
  /** With the parameters of the form; `null` where nothing was changed there. */
  plan: PlanView | null;
}): JSX.Element {
  const trans = useTrans();
  const { pipeline, live, plan } = props;
  return (
    <div className="mn-Summary">
      <strong>{pipeline.name}</strong>
      {live ? (
        <Live run={live} />
      ) : (
        <span role="status" aria-live="polite">
          {plan ? `${trans.__('With these parameters:')} ` : ''}
          {counts(plan?.counts ?? pipeline.plan, trans)}
          {about((plan ?? pipeline).expected_seconds, trans)}
        </span>
      )}
      {!live && pipeline.critical_seconds !== null && (
        <span className="mn-quiet mn-mod-wide">
          {trans.__('Critical path: %1', duration(pipeline.critical_seconds))}
        </span>
      )}
    </div>
  );
}

/** A run that goes on: how far, and what runs; told aloud only as tasks end. */
function Live(props: { run: RunView }): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const { summary, tasks } = props.run;
  const running = summary.status === 'running';
  const { done, total } = progress(summary);
  const now = tasks.filter(task => task.status === 'running').map(task => task.task);
  return (
    <>
      <Status status={summary.status} />
      {total > 0 && (
        <span role="status" aria-live="polite">
          {running
            ? trans.__('%1 of %2 tasks done', done, total)
            : statusText(summary.status, trans)}
          {summary.failed.length > 0 &&
            `, ${trans.__('%1 failed', summary.failed.join(', '))}`}
        </span>
      )}
      <Took started={summary.started} seconds={summary.seconds} running={running} />
      {now.length > 0 && <span className="mn-quiet mn-cut">{now.join(', ')}</span>}
      <button
        type="button"
        className="mn-Link"
        onClick={() => void commands.execute(CommandIDs.openRun, { run: summary.id })}
      >
        {trans.__('Open the run')}
      </button>
    </>
  );
}

/** `3 would run, 4 up to date`. */
function counts(by: Record<string, number>, trans: Trans): JSX.Element {
  const run = by.run ?? 0;
  const parts = [
    run ? trans._n('%1 task would run', '%1 tasks would run', run) : '',
    by.restore
      ? run
        ? trans.__('%1 would be restored', by.restore)
        : trans._n('%1 task would be restored', '%1 tasks would be restored', by.restore)
      : '',
    by.skip ? trans.__('%1 up to date', by.skip) : ''
  ].filter(Boolean);
  return run || by.restore ? (
    <>{parts.join(', ')}</>
  ) : (
    <Mark glyph="done" tone="good">
      {trans.__('Everything is up to date')}
    </Mark>
  );
}

function about(seconds: number | null, trans: Trans): string {
  return seconds ? `, ${trans.__('about %1', duration(seconds))}` : '';
}
