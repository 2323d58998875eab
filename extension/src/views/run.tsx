/** One run: what it was given, what each task did, and why something failed. */

import { useEffect, useState } from 'react';
import type { RunTaskView, RunView } from '../api';
import { Ago, Took, useNow } from '../components/clock';
import { useArg, usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import { dateTime, duration, literal, metricTexts } from '../components/format';
import { Frame } from '../components/frame';
import { historyIcon } from '../components/icons';
import { Announcer, Failure, Loading } from '../components/states';
import { Status, statusText } from '../components/status';
import { Table, type IColumn } from '../components/table';
import { CommandButton } from '../components/toolbar';
import { ApiError } from '../request';
import { CommandIDs, type Trans } from '../tokens';
import { TaskError } from './taskerror';
import type { IView } from './view';

export const runView: IView = {
  id: 'run',
  icon: historyIcon,
  component: RunPage,
  title: (trans, args) => trans.__('Run %1', String(args.run ?? '')),
  caption: trans => trans.__('One run with its tasks'),
  key: args => String(args.run ?? ''),
  listed: false
};

function RunPage(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const [id] = useArg<string>('run', '');
  const run = useSnapshot(project.feed).get(id);
  const [missing, setMissing] = useState(false);
  const load = async () => {
    setMissing(false);
    setMissing((await project.feed.follow(id)) === null);
  };
  useEffect(() => void load(), [project, id]);
  const status = run?.summary.status;
  return (
    <Frame
      label={trans.__('Run')}
      onRefresh={() => void load()}
      toolbar={
        run && (
          <>
            {status === 'running' ? (
              <CommandButton id={CommandIDs.cancel} args={{ run: id }} wordy />
            ) : (
              <CommandButton id={CommandIDs.rerun} args={{ run: id }} wordy />
            )}
            {status !== 'running' && status !== 'succeeded' && (
              <CommandButton id={CommandIDs.resume} args={{ run: id }} wordy />
            )}
            <CommandButton id={CommandIDs.openReport} args={{ run: id }} wordy />
            <CommandButton
              id={CommandIDs.openLog}
              args={{ run: id }}
              label={trans.__('Log')}
              wordy
            />
          </>
        )
      }
    >
      {run ? (
        <Details run={run} />
      ) : missing ? (
        <Failure
          error={
            new ApiError(
              'missing',
              trans.__('Run %1 cannot be read', id),
              '',
              trans.__('it may have been deleted; look for it in the history')
            )
          }
          onRetry={() => void load()}
        />
      ) : (
        <Loading what={trans.__('Reading the run…')} />
      )}
    </Frame>
  );
}

function Details(props: { run: RunView }): JSX.Element {
  const trans = useTrans();
  const { summary, facts, tasks } = props.run;
  const failed = tasks.filter(task => task.error);
  const running = summary.status === 'running';
  const given = Object.entries(summary.parameters);
  const metrics = metricTexts(summary.metrics);
  return (
    <div className="mn-Scroll mn-Page">
      <Announcer text={running ? '' : statusText(summary.status, trans)} />
      <header className="mn-Head">
        <Status status={summary.status} />
        <Took started={summary.started} seconds={summary.seconds} running={running} />
        <span>
          <Ago time={summary.started} />
        </span>
      </header>
      <dl className="mn-Facts">
        <Fact name={trans.__('Started')}>{dateTime(summary.started)}</Fact>
        <Fact name={trans.__('Trigger')}>{summary.trigger}</Fact>
        <Fact name={trans.__('By')}>
          {[summary.user, summary.host].filter(Boolean).join(' @ ')}
        </Fact>
        <Fact name={trans.__('Commit')}>
          {summary.git_commit && (
            <>
              <code>{summary.git_commit.slice(0, 10)}</code>
              {summary.dirty && ` ${trans.__('with uncommitted changes')}`}
            </>
          )}
        </Fact>
        <Fact name={trans.__('Targets')}>{summary.targets.join(', ')}</Fact>
        <Fact name={trans.__('Goes on with')}>{summary.resumed_from}</Fact>
        <Fact name="Python">{facts.python}</Fact>
      </dl>
      {failed.map(task => (
        <TaskError key={task.task} run={summary.id} task={task} />
      ))}
      <section aria-label={trans.__('Tasks')}>
        <h3>{trans.__('Tasks')}</h3>
        <Tasks run={props.run} />
      </section>
      <div className="mn-Columns">
        <Values
          title={trans.__('Parameters given for this run')}
          values={given.map(([name, value]) => [name, literal(value)])}
          none={trans.__('None: it ran with the values of the pipeline and its notebooks.')}
        />
        <Values
          title={trans.__('Metrics')}
          values={metrics}
          none={trans.__('No task wrote any.')}
        />
      </div>
    </div>
  );
}

function Fact(props: { name: string; children: React.ReactNode }): JSX.Element | null {
  return props.children ? (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  ) : null;
}

function Values(props: {
  title: string;
  values: [string, string][];
  none: string;
}): JSX.Element {
  return (
    <section aria-label={props.title}>
      <h3>{props.title}</h3>
      {props.values.length ? (
        <table className="mn-Values">
          <tbody>
            {props.values.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="mn-quiet">{props.none}</p>
      )}
    </section>
  );
}

function Tasks(props: { run: RunView }): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const { summary, tasks } = props.run;
  const now = useNow(1, summary.status === 'running');
  const end = summary.ended ?? now;
  const columns = columnsOf(
    trans,
    summary.started,
    Math.max(0.1, end - summary.started),
    now
  );
  return (
    <Table
      label={trans.__('Tasks of the run')}
      columns={columns}
      rows={tasks}
      keyOf={task => task.task}
      nameOf={task => task.task}
      onOpen={task =>
        void commands.execute(
          task.error ? CommandIDs.openFailingCell : CommandIDs.openExecuted,
          { run: summary.id, task: task.task }
        )
      }
    />
  );
}

function columnsOf(
  trans: Trans,
  start: number,
  whole: number,
  now: number
): IColumn<RunTaskView>[] {
  return [
    {
      id: 'task',
      header: trans.__('Task'),
      render: task => task.task,
      sort: task => task.task
    },
    {
      id: 'status',
      header: trans.__('Status'),
      render: task => <Status status={task.status} />,
      sort: task => task.status
    },
    {
      id: 'time',
      header: trans.__('Timeline'),
      render: task => <Bar task={task} start={start} whole={whole} now={now} />,
      sort: task => task.started
    },
    {
      id: 'took',
      header: trans.__('Took'),
      align: 'end',
      render: task => (
        <Took
          started={task.started}
          seconds={task.seconds}
          running={task.status === 'running'}
        />
      ),
      sort: task => task.seconds
    },
    {
      id: 'cells',
      header: trans.__('Cells'),
      align: 'end',
      render: task => (task.cells_total ? `${task.cells_done} / ${task.cells_total}` : ''),
      wide: true
    },
    {
      id: 'why',
      header: trans.__('Why'),
      render: task => <span className="mn-quiet">{task.why}</span>,
      wide: true
    }
  ];
}

/** When a task ran within its run. */
function Bar(props: {
  task: RunTaskView;
  start: number;
  whole: number;
  now: number;
}): JSX.Element | null {
  const { task, start, whole } = props;
  if (task.started === null) {
    return null;
  }
  const end = task.ended ?? props.now;
  const left = (100 * (task.started - start)) / whole;
  const width = Math.max(0.7, (100 * (end - task.started)) / whole);
  return (
    <div className="mn-Bar" title={duration(end - task.started)}>
      <div
        className={`mn-Bar-fill mn-status-${task.status}`}
        style={{ left: `${Math.min(left, 99)}%`, width: `${Math.min(width, 100 - left)}%` }}
      />
    </div>
  );
}
