/** Two runs side by side: what differs, and what it cost. */

import { useMemo } from 'react';
import type { RunChange, RunDiff, TaskPair } from '../api';
import { Ago } from '../components/clock';
import { useArg, useProject, useSnapshot, useTrans } from '../components/context';
import { duration } from '../components/format';
import { Frame, useLoad } from '../components/frame';
import { compareIcon } from '../components/icons';
import { Loaded } from '../components/states';
import { Status } from '../components/status';
import { Table, type IColumn } from '../components/table';
import { Resource } from '../model/resource';
import { got } from '../request';
import type { Trans } from '../tokens';
import type { IView } from './view';

export const compareView: IView = {
  id: 'compare',
  icon: compareIcon,
  component: Compare,
  title: trans => trans.__('Compare runs'),
  caption: trans => trans.__('Two runs side by side'),
  key: args => `${String(args.left)} ${String(args.right)}`,
  listed: false
};

function Compare(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const [left] = useArg<string>('left', '');
  const [right] = useArg<string>('right', '');
  const diff = useMemo(
    () =>
      new Resource<RunDiff>(signal =>
        got(
          project.api.GET('/mlops-nb/v1/runs/{run}/diff/{other}', {
            params: { path: { run: left, other: right }, query: { project: project.path } },
            signal
          })
        )
      ),
    [project, left, right]
  );
  useLoad(() => diff.refresh(), [diff]);
  return (
    <Frame label={trans.__('Compare runs')} onRefresh={() => void diff.refresh()}>
      <Loaded
        snapshot={useSnapshot(diff)}
        what={trans.__('Comparing…')}
        onRetry={() => void diff.refresh()}
      >
        {value => <Difference diff={value} />}
      </Loaded>
    </Frame>
  );
}

function Difference(props: { diff: RunDiff }): JSX.Element {
  const trans = useTrans();
  const { left, right, changes, tasks } = props.diff;
  return (
    <div className="mn-Scroll mn-Page">
      <div className="mn-Columns">
        {[left, right].map((run, index) => (
          <section
            key={run.id}
            aria-label={index ? trans.__('Later') : trans.__('Earlier')}
          >
            <h3>
              <code>{run.id}</code>
            </h3>
            <p className="mn-Head">
              <Status status={run.status} />
              <span>{duration(run.seconds)}</span>
              <Ago time={run.started} />
            </p>
          </section>
        ))}
      </div>
      <section aria-label={trans.__('What differs')}>
        <h3>{trans.__('What differs')}</h3>
        {changes.length ? (
          <Table
            label={trans.__('What differs')}
            columns={changeColumns(trans)}
            rows={changes}
            keyOf={change => `${change.kind} ${change.name}`}
            nameOf={change => change.name}
          />
        ) : (
          <p className="mn-quiet">{trans.__('Nothing but when they ran.')}</p>
        )}
      </section>
      <section aria-label={trans.__('Tasks')}>
        <h3>{trans.__('Tasks')}</h3>
        <Table
          label={trans.__('Tasks of both')}
          columns={taskColumns(trans)}
          rows={tasks}
          keyOf={pair => pair.task}
          nameOf={pair => pair.task}
        />
      </section>
    </div>
  );
}

/** One side of a difference; what only the other has is said to be missing. */
function Value(props: { text: string }): JSX.Element {
  const trans = useTrans();
  return props.text ? (
    <span className="mn-mono">{props.text}</span>
  ) : (
    <span className="mn-quiet">{trans.__('none')}</span>
  );
}

function changeColumns(trans: Trans): IColumn<RunChange>[] {
  const kinds: Record<string, string> = {
    parameter: trans.__('parameter'),
    code: trans.__('code'),
    input: trans.__('input'),
    environment: trans.__('environment'),
    task: trans.__('task'),
    metric: trans.__('metric')
  };
  return [
    {
      id: 'kind',
      header: trans.__('What'),
      render: change => kinds[change.kind] ?? change.kind,
      sort: change => change.kind
    },
    {
      id: 'name',
      header: trans.__('Name'),
      render: change => change.name,
      sort: change => change.name
    },
    {
      id: 'left',
      header: trans.__('Earlier'),
      render: change => <Value text={change.left} />
    },
    {
      id: 'right',
      header: trans.__('Later'),
      render: change => <Value text={change.right} />
    }
  ];
}

function taskColumns(trans: Trans): IColumn<TaskPair>[] {
  const change = (pair: TaskPair) =>
    pair.left_seconds === null || pair.right_seconds === null
      ? null
      : pair.right_seconds - pair.left_seconds;
  return [
    {
      id: 'task',
      header: trans.__('Task'),
      render: pair => pair.task,
      sort: pair => pair.task
    },
    {
      id: 'left',
      header: trans.__('Earlier'),
      render: pair => pair.left && <Status status={pair.left} />
    },
    {
      id: 'right',
      header: trans.__('Later'),
      render: pair => pair.right && <Status status={pair.right} />
    },
    {
      id: 'seconds',
      header: trans.__('Took'),
      align: 'end',
      render: pair =>
        [duration(pair.left_seconds), duration(pair.right_seconds)]
          .filter(Boolean)
          .join(' → '),
      sort: pair => pair.right_seconds
    },
    {
      id: 'change',
      header: trans.__('Difference'),
      align: 'end',
      render: pair => {
        const seconds = change(pair);
        if (seconds === null) {
          return '';
        }
        const text = duration(Math.abs(seconds));
        return text === duration(0) ? text : `${seconds > 0 ? '+' : '−'}${text}`;
      },
      sort: change
    }
  ];
}
