/** What is known of the chosen task, and what can be done with it. */

import { closeIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';
import type { PipelineView, PlanView, Reason, RunView, TaskView } from '../api';
import { Ago } from '../components/clock';
import { useTrans } from '../components/context';
import { duration, literal, shortName } from '../components/format';
import { standingText } from '../components/standing';
import { Button } from '../components/states';
import { lookOf, Mark, Status } from '../components/status';
import { CommandButton, Spacer, ToolButton } from '../components/toolbar';
import type { IGraphNode } from '../model/graph';
import { CommandIDs } from '../tokens';
import { TaskError } from './taskerror';

/** Reasons that are listed at once. */
const SHOWN = 5;

export interface ITaskDetailsProps {
  readonly node: IGraphNode;
  readonly pipeline: PipelineView;
  readonly live: RunView | null;
  /** What a run with the form's parameters would do; `null` where none was changed. */
  readonly plan: PlanView | null;
  readonly onChoose: (id: string) => void;
  readonly onClose: () => void;
  /** Fold or open a grid. */
  readonly onFold: (group: string) => void;
}

export function TaskDetails(props: ITaskDetailsProps): JSX.Element {
  const trans = useTrans();
  const { node, pipeline } = props;
  const task = pipeline.tasks.find(one => one.name === node.tasks[0]);
  return (
    <aside className="mn-Details" aria-label={trans.__('Details of %1', node.name)}>
      <header>
        <h2>{node.name}</h2>
        <Spacer />
        <ToolButton icon={closeIcon} label={trans.__('Close')} onClick={props.onClose} />
      </header>
      <div className="mn-Details-state">
        <Mark glyph={lookOf(node.state).glyph} tone={lookOf(node.state).tone}>
          {standingText(node, trans)}
        </Mark>
      </div>
      {node.folded ? <Grid {...props} /> : task && <Task {...props} task={task} />}
    </aside>
  );
}

function Grid(props: ITaskDetailsProps): JSX.Element {
  const trans = useTrans();
  const { node, pipeline } = props;
  const tasks = pipeline.tasks.filter(task => node.tasks.includes(task.name));
  return (
    <>
      <p>
        {trans.__(
          'A grid: %1 tasks of one notebook with different parameters.',
          tasks.length
        )}
      </p>
      <Button onClick={() => props.onFold(node.name)}>{trans.__('Show its tasks')}</Button>
      <ul className="mn-List">
        {tasks.map(task => (
          <li key={task.name}>
            <button
              type="button"
              onClick={() => {
                props.onFold(node.name);
                props.onChoose(task.name);
              }}
            >
              {task.name}
              <span className="mn-quiet">
                {task.last ? <Status status={task.last.status} /> : trans.__('never ran')}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Task(props: ITaskDetailsProps & { task: TaskView }): JSX.Element {
  const trans = useTrans();
  const { node, task, live, pipeline } = props;
  const ran = live?.tasks.find(one => one.task === task.name);
  const shown = ran?.started ? { ...ran, run: live!.summary.id } : task.last;
  const args = { task: task.name, ...(shown ? { run: shown.run } : {}) };
  return (
    <>
      {node.state === 'stale' || node.state === 'restore' ? (
        <Reasons
          reasons={
            props.plan?.items.find(one => one.task === task.name)?.reasons ?? task.reasons
          }
        />
      ) : (
        node.why && !shown?.error && <p className="mn-Details-why">{node.why}</p>
      )}
      <div className="mn-Details-actions">
        <CommandButton id={CommandIDs.runTo} args={args} wordy />
        <CommandButton id={CommandIDs.runFrom} args={args} wordy />
        <CommandButton id={CommandIDs.runThis} args={args} wordy />
      </div>
      <div className="mn-Details-actions">
        {task.source_is_file && (
          <CommandButton id={CommandIDs.openSource} args={args} wordy />
        )}
        {shown?.notebook && (
          <CommandButton id={CommandIDs.openExecuted} args={args} wordy />
        )}
        {shown && <CommandButton id={CommandIDs.openReport} args={args} wordy />}
        {shown?.log && (
          <CommandButton
            id={CommandIDs.openLog}
            args={args}
            label={trans.__('Log')}
            wordy
          />
        )}
      </div>
      {shown?.error && (
        <TaskError
          run={shown.run}
          task={{ task: task.name, error: shown.error, report: shown.report }}
        />
      )}
      <dl className="mn-Facts mn-mod-stacked">
        <Fact name={trans.__('Source')}>
          <code>{task.source}</code>
        </Fact>
        {shown && (
          <Fact name={trans.__('Last run')}>
            <Status status={shown.status} />
            {shown.seconds !== null && ` · ${duration(shown.seconds)}`}
            {shown.ended !== null && (
              <>
                {' · '}
                <Ago time={shown.ended} />
              </>
            )}
          </Fact>
        )}
        {task.expected_seconds !== null && (
          <Fact name={trans.__('Usually takes')}>
            {duration(task.expected_seconds)}
            {task.critical && ` · ${trans.__('on the critical path')}`}
          </Fact>
        )}
        <Fact name={trans.__('Needs')}>
          {task.upstream.map(up => (
            <button
              key={up}
              type="button"
              className="mn-Link"
              onClick={() => props.onChoose(up)}
            >
              {up}
            </button>
          ))}
        </Fact>
        <Fact name={trans.__('Reads')}>
          {task.inputs.map(path => (
            <code key={path}>{path}</code>
          ))}
        </Fact>
        <Fact name={trans.__('Makes')}>
          {task.products.map(product => (
            <span key={product.path} className="mn-Product">
              <code>{product.path}</code>{' '}
              {product.is_file && !product.exists && (
                <span className="mn-quiet">{trans.__('not made yet')}</span>
              )}
            </span>
          ))}
        </Fact>
        <Parameters pipeline={pipeline} task={task} />
      </dl>
      {task.group && (
        <Button onClick={() => props.onFold(task.group)}>
          {trans.__('Fold the grid %1', task.group)}
        </Button>
      )}
    </>
  );
}

/** Why it would run; a long list is cut until someone wants all of it. */
function Reasons(props: { reasons: readonly Reason[] }): JSX.Element {
  const trans = useTrans();
  const items = props.reasons.map((reason, index) => <li key={index}>{reason.text}</li>);
  return (
    <div className="mn-Reasons">
      {trans.__('because')}
      <ul>{items.slice(0, SHOWN)}</ul>
      {items.length > SHOWN && (
        <details>
          <summary>
            {trans._n('%1 more reason', '%1 more reasons', items.length - SHOWN)}
          </summary>
          <ul>{items.slice(SHOWN)}</ul>
        </details>
      )}
    </div>
  );
}

function Parameters(props: { pipeline: PipelineView; task: TaskView }): JSX.Element | null {
  const trans = useTrans();
  const { pipeline, task } = props;
  const known = pipeline.parameters.filter(one => one.tasks.includes(task.name));
  if (!known.length) {
    return null;
  }
  return (
    <Fact name={trans.__('Parameters')}>
      <table className="mn-Values">
        <tbody>
          {known.map(one => (
            <tr key={one.name} title={one.help}>
              <th scope="row">{shortName(one.name, [task.name])}</th>
              <td>
                {one.known ? literal(one.value) : trans.__('worked out by the notebook')}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Fact>
  );
}

function Fact(props: { name: string; children: ReactNode }): JSX.Element | null {
  const { children } = props;
  const isEmpty = children === null || (Array.isArray(children) && !children.length);
  return isEmpty ? null : (
    <div>
      <dt>{props.name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
