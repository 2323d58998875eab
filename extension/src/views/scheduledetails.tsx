/** One schedule: what can be done with it, what it runs, its next times, and its history. */

import { closeIcon, deleteIcon, editIcon, runIcon } from '@jupyterlab/ui-components';
import type { Schedule, ScheduleView } from '../api';
import { useNow } from '../components/clock';
import { useTrans } from '../components/context';
import { attempt, confirm } from '../components/dialogs';
import { literal } from '../components/format';
import { pauseIcon } from '../components/icons';
import { Spacer, ToolButton } from '../components/toolbar';
import type { SchedulesModel } from '../model/schedules';
import { until, zoned } from '../model/timetable';
import type { Trans } from '../tokens';
import { History } from './occurrences';

export function ScheduleDetails(props: {
  model: SchedulesModel;
  view: ScheduleView;
  isServed: boolean;
  onEdit: () => void;
  onClose: () => void;
}): JSX.Element {
  const trans = useTrans();
  const { model, view } = props;
  const { schedule } = view;
  const now = useNow(30);
  const parameters = Object.entries(schedule.parameters ?? {});
  return (
    <aside className="mn-Details" aria-label={trans.__('Schedule %1', schedule.name)}>
      <header>
        <h2>{schedule.name}</h2>
        <Spacer />
        <ToolButton icon={closeIcon} label={trans.__('Close')} onClick={props.onClose} />
      </header>
      {schedule.description && <p className="mn-Details-why">{schedule.description}</p>}
      <Actions {...props} />
      <dl className="mn-Facts mn-mod-stacked">
        <div>
          <dt>{trans.__('When')}</dt>
          <dd>
            {view.words}
            {view.words.toLowerCase() !== schedule.when.toLowerCase() && (
              <>
                {' '}
                <code className="mn-quiet">{schedule.when}</code>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>{trans.__('Runs')}</dt>
          <dd>{targetText(schedule, trans)}</dd>
        </div>
        {parameters.length > 0 && (
          <div>
            <dt>{trans.__('Parameters')}</dt>
            {parameters.map(([name, value]) => (
              <dd key={name}>
                <span className="mn-quiet">{name}</span> <code>{literal(value)}</code>
              </dd>
            ))}
          </div>
        )}
        {view.origin === 'project' && (
          <div>
            <dt>{trans.__('Written in')}</dt>
            <dd>
              <code>pyproject.toml</code>
            </dd>
          </div>
        )}
      </dl>
      <h3>
        {view.paused ? trans.__('Next times, were it not paused') : trans.__('Next times')}
      </h3>
      {view.next.length ? (
        <ol className="mn-Times">
          {view.next.map(one => (
            <li key={one.at} title={one.local}>
              {zoned(one.at, schedule.timezone)}{' '}
              <span className="mn-quiet">{until(one.at, now)}</span>
            </li>
          ))}
        </ol>
      ) : (
        <p className="mn-quiet">{trans.__('It will never be due again.')}</p>
      )}
      <h3>{trans.__('History')}</h3>
      <History model={model} view={view} />
    </aside>
  );
}

function Actions(props: {
  model: SchedulesModel;
  view: ScheduleView;
  isServed: boolean;
  onEdit: () => void;
}): JSX.Element {
  const trans = useTrans();
  const { model, view, isServed } = props;
  const { name } = view.schedule;
  const runNow = () =>
    attempt(
      trans,
      () => model.runNow(name),
      () =>
        isServed
          ? trans.__('%1 starts now.', name)
          : trans.__(
              '%1 waits: no scheduler runs. Start “mlops-nb scheduler” in a terminal.',
              name
            )
    );
  const turn = () =>
    view.paused
      ? attempt(
          trans,
          () => model.resume(name),
          () => trans.__('%1 goes on.', name)
        )
      : attempt(
          trans,
          () => model.pause(name),
          () => trans.__('%1 is paused.', name)
        );
  const remove = async () => {
    const sure = await confirm(trans, {
      title: trans.__('Remove the schedule %1?', name),
      body: trans.__(
        'It starts nothing any more. What runs now goes on to its end, and what waits is cancelled; its runs and their history stay.'
      ),
      accept: trans.__('Remove'),
      danger: true
    });
    if (sure) {
      await attempt(
        trans,
        () => model.remove(name),
        () => trans.__('%1 is removed.', name)
      );
    }
  };
  return (
    <div className="mn-Details-actions">
      <ToolButton
        icon={runIcon}
        label={trans.__('Run Now')}
        title={trans.__('One more time, now, with the parameters of the schedule')}
        onClick={() => void runNow()}
        wordy
      />
      <ToolButton
        icon={view.paused ? runIcon : pauseIcon}
        label={view.paused ? trans.__('Resume') : trans.__('Pause')}
        title={
          view.paused
            ? trans.__('Start at its times again')
            : trans.__('Start nothing until it is resumed')
        }
        onClick={() => void turn()}
        wordy
      />
      <ToolButton
        icon={editIcon}
        label={trans.__('Change')}
        disabled={view.origin === 'project'}
        title={
          view.origin === 'project'
            ? trans.__('It is written in pyproject.toml: change it there')
            : trans.__('Change its times, what it runs, or its parameters')
        }
        onClick={props.onEdit}
        wordy
      />
      <ToolButton
        icon={deleteIcon}
        label={trans.__('Remove')}
        disabled={view.origin === 'project'}
        title={
          view.origin === 'project'
            ? trans.__('It is written in pyproject.toml: remove it there')
            : trans.__('Remove the schedule; its runs stay')
        }
        onClick={() => void remove()}
        wordy
      />
    </div>
  );
}

/** What a schedule runs, in words. */
export function targetText(schedule: Schedule, trans: Trans): string {
  const tasks = schedule.tasks ?? [];
  return tasks.length ? tasks.join(', ') : trans.__('the whole pipeline');
}
