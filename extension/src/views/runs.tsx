/** The history: every run with what it was given and what came of it. */

import { useMemo, useState } from 'react';
import type { RunSummary } from '../api';
import { Ago, Took } from '../components/clock';
import { useArg, usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import { literal, metricTexts } from '../components/format';
import { Frame, NoTasks, useLoad, usePipeline } from '../components/frame';
import { historyIcon } from '../components/icons';
import { Button, Loaded, Notice } from '../components/states';
import { Status, statusText } from '../components/status';
import { Table, type IColumn } from '../components/table';
import { CommandButton, Search, Spacer } from '../components/toolbar';
import { matches, progress, withLive } from '../model/history';
import { CommandIDs, type RunStatus, type Trans } from '../tokens';
import type { IView } from './view';

const STATUSES: RunStatus[] = ['running', 'succeeded', 'failed', 'cancelled', 'lost'];

export const runsView: IView = {
  id: 'runs',
  icon: historyIcon,
  component: Runs,
  title: trans => trans.__('Runs'),
  caption: trans => trans.__('The history of runs, with parameters and metrics'),
  listed: true
};

function Runs(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const project = useProject();
  const snapshot = useSnapshot(project.runs);
  const live = useSnapshot(project.feed);
  const [text, setText] = useArg<string>('text', '');
  const [status, setStatus] = useArg<string>('status', '');
  const [chosen, setChosen] = useState(new Set<string>());
  const columns = useMemo(() => columnsOf(trans), [trans]);
  useLoad(() => project.runs.refresh(), [project]);

  const isEmpty = snapshot.value !== null && !withLive(snapshot.value.runs, live).length;
  const pair = [...chosen].sort();
  const filter = { text, status };
  return (
    <Frame
      label={trans.__('Runs')}
      onRefresh={() => void project.runs.refresh()}
      toolbar={
        <>
          <CommandButton id={CommandIDs.runAll} wordy />
          {!isEmpty && (
            <>
              <CommandButton
                id={CommandIDs.compareRuns}
                args={{ left: pair[0] ?? '', right: pair[1] ?? '', count: pair.length }}
                wordy
              />
              <Spacer />
              <Search label={trans.__('Search runs')} value={text} onChange={setText} />
              <select
                className="mn-Select"
                aria-label={trans.__('Status')}
                value={status}
                onChange={event => setStatus(event.target.value)}
              >
                <option value="">{trans.__('Every status')}</option>
                {STATUSES.map(one => (
                  <option key={one} value={one}>
                    {statusText(one, trans)}
                  </option>
                ))}
              </select>
            </>
          )}
        </>
      }
    >
      <Loaded
        snapshot={snapshot}
        what={trans.__('Reading the history…')}
        onRetry={() => void project.runs.refresh()}
      >
        {list => {
          const all = withLive(list.runs, live);
          const rows = all.filter(run => matches(run, filter));
          if (!all.length) {
            return <NoRuns />;
          }
          return (
            <div className="mn-Scroll">
              {rows.length ? (
                <Table
                  label={trans.__('Runs')}
                  columns={columns}
                  rows={rows}
                  keyOf={run => run.id}
                  nameOf={run => run.id}
                  onOpen={run => void commands.execute(CommandIDs.openRun, { run: run.id })}
                  chosen={chosen}
                  onChoose={setChosen}
                />
              ) : (
                <Notice title={trans.__('No run matches')} role="status">
                  {trans.__('Clear the search, or choose another status.')}
                </Notice>
              )}
              {list.before && (
                <div className="mn-More">
                  <Button onClick={() => void project.more()} disabled={snapshot.loading}>
                    {trans.__('Show older runs')}
                  </Button>
                  <span>{trans.__('%1 of %2 shown', list.runs.length, list.total)}</span>
                </div>
              )}
            </div>
          );
        }}
      </Loaded>
    </Frame>
  );
}

function NoRuns(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const pipeline = usePipeline();
  if (pipeline?.tasks.length === 0) {
    return <NoTasks spec={pipeline.spec} />;
  }
  return (
    <Notice
      title={trans.__('Nothing ran yet')}
      actions={
        <Button primary onClick={() => void commands.execute(CommandIDs.runAll)}>
          {trans.__('Run the pipeline')}
        </Button>
      }
    >
      {trans.__(
        'Each run is kept here with its parameters, metrics, notebooks and reports.'
      )}
    </Notice>
  );
}

function columnsOf(trans: Trans): IColumn<RunSummary>[] {
  return [
    {
      id: 'status',
      header: trans.__('Status'),
      render: run => <RunState run={run} />,
      sort: run => run.status
    },
    {
      id: 'started',
      header: trans.__('Started'),
      render: run => <Ago time={run.started} />,
      sort: run => run.started
    },
    {
      id: 'took',
      header: trans.__('Took'),
      align: 'end',
      render: run => (
        <Took
          started={run.started}
          seconds={run.seconds}
          running={run.status === 'running'}
        />
      ),
      sort: run => run.seconds
    },
    {
      id: 'trigger',
      header: trans.__('Trigger'),
      render: run => run.trigger,
      sort: run => run.trigger
    },
    {
      id: 'parameters',
      header: trans.__('Parameters'),
      render: run => <Pairs of={run.parameters} none={trans.__('as in the notebooks')} />
    },
    {
      id: 'metrics',
      header: trans.__('Metrics'),
      render: run => <Pairs of={Object.fromEntries(metricTexts(run.metrics))} none="" />,
      wide: true
    },
    {
      id: 'id',
      header: trans.__('Run'),
      render: run => <code className="mn-id">{run.id}</code>,
      sort: run => run.id,
      wide: true
    }
  ];
}

/** A run's state, with how far it is or what failed. */
export function RunState(props: { run: RunSummary }): JSX.Element {
  const trans = useTrans();
  const { run } = props;
  const { done, total } = progress(run);
  let more = '';
  if (run.status === 'running' && total) {
    more = trans.__('%1 of %2', done, total);
  } else if (run.failed.length) {
    more = run.failed.slice(0, 2).join(', ');
    if (run.failed.length > 2) {
      more = trans.__('%1 and %2 more', more, run.failed.length - 2);
    }
  }
  return (
    <span className="mn-RunState">
      <Status status={run.status} />
      {more && <span className="mn-quiet">{more}</span>}
    </span>
  );
}

/** Names and values in one line, cut where there is no room. */
export function Pairs(props: { of: Record<string, unknown>; none: string }): JSX.Element {
  const pairs = Object.entries(props.of);
  if (!pairs.length) {
    return <span className="mn-quiet">{props.none}</span>;
  }
  const text = pairs.map(([name, value]) => `${name} = ${literal(value)}`).join('\n');
  return (
    <span className="mn-Pairs" title={text}>
      {pairs.map(([name, value]) => (
        <span key={name}>
          <span className="mn-quiet">{name}</span> {literal(value)}
        </span>
      ))}
    </span>
  );
}
