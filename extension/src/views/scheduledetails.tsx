/** One schedule: what can be done with it, what it runs, its next times, and its history. */

import { closeIcon, deleteIcon, runIcon } from '@jupyterlab/ui-components';
import { useEffect, useMemo, useState } from 'react';
import type { Occurrence, OccurrenceState, Schedule, ScheduleView } from '../api';
import { Ago, useNow } from '../components/clock';
import { usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import { attempt, confirm } from '../components/dialogs';
import { literal } from '../components/format';
import { pauseIcon, type GlyphName } from '../components/icons';
import { Button, Loaded } from '../components/states';
import { Mark, type Tone } from '../components/status';
import { Spacer, ToolButton } from '../components/toolbar';
import { Resource } from '../model/resource';
import type { SchedulesModel } from '../model/schedules';
import { until, zoned } from '../model/timetable';
import { CommandIDs, type Trans } from '../tokens';

/** Times of the history that are shown at first, and how many more each time. */
const PAGE = 20;

const LOOKS: Record<OccurrenceState, { glyph: GlyphName; tone: Tone }> = {
  waiting: { glyph: 'waiting', tone: 'busy' },
  running: { glyph: 'running', tone: 'busy' },
  succeeded: { glyph: 'done', tone: 'good' },
  failed: { glyph: 'failed', tone: 'bad' },
  'timed-out': { glyph: 'waiting', tone: 'bad' },
  cancelled: { glyph: 'stopped', tone: 'warn' },
  lost: { glyph: 'unknown', tone: 'warn' },
  missed: { glyph: 'warning', tone: 'warn' },
  skipped: { glyph: 'skipped', tone: 'calm' }
};

export function ScheduleDetails(props: {
  model: SchedulesModel;
  view: ScheduleView;
  isServed: boolean;
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

function History(props: { model: SchedulesModel; view: ScheduleView }): JSX.Element {
  const trans = useTrans();
  const { model, view } = props;
  const { name } = view.schedule;
  const [limit, setLimit] = useState(PAGE);
  const history = useMemo(
    () => new Resource<Occurrence[]>(signal => model.history(name, limit, signal)),
    [model, name, limit]
  );
  // Anew with each new view of the schedule: the list was loaded because something happened.
  useEffect(() => void history.refresh(), [history, view]);
  return (
    <Loaded
      snapshot={useSnapshot(history)}
      what={trans.__('Reading the history…')}
      onRetry={() => void history.refresh()}
    >
      {found =>
        found.length ? (
          <>
            <ul className="mn-Occurrences" aria-label={trans.__('History')}>
              {found.map(one => (
                <Row key={one.id} occurrence={one} timezone={view.schedule.timezone} />
              ))}
            </ul>
            {found.length === limit && limit < 1000 && (
              <Button onClick={() => setLimit(Math.min(1000, limit + PAGE))}>
                {trans.__('Show older times')}
              </Button>
            )}
          </>
        ) : (
          <p className="mn-quiet">{trans.__('It was not due yet.')}</p>
        )
      }
    </Loaded>
  );
}

function Row(props: { occurrence: Occurrence; timezone: string }): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const project = useProject();
  const { occurrence } = props;
  return (
    <li>
      <div className="mn-Occurrence">
        <OccurrenceMark occurrence={occurrence} />
        <span className="mn-quiet" title={occurrence.local}>
          {zoned(occurrence.at, props.timezone)}
        </span>
        {occurrence.run && (
          <button
            type="button"
            className="mn-Link"
            aria-label={trans.__('Run %1', occurrence.run)}
            onClick={() => {
              void project.feed.follow(occurrence.run);
              void commands.execute(CommandIDs.openRun, { run: occurrence.run });
            }}
          >
            {trans.__('run')}
          </button>
        )}
      </div>
      {(occurrence.why || occurrence.manual || occurrence.attempt > 1) && (
        <div className="mn-quiet">
          {[
            occurrence.manual && trans.__('asked for by hand'),
            occurrence.attempt > 1 && trans.__('%1 attempts', occurrence.attempt),
            occurrence.why
          ]
            .filter(Boolean)
            .join('; ')}
        </div>
      )}
    </li>
  );
}

/** What became of a time, as icon and words. */
export function OccurrenceMark(props: {
  occurrence: Occurrence;
  /** Say how long ago it was. */
  dated?: boolean;
}): JSX.Element {
  const trans = useTrans();
  const { occurrence, dated } = props;
  return (
    <span className="mn-RunState">
      <Mark {...LOOKS[occurrence.state]} title={occurrence.why || undefined}>
        {outcomeText(occurrence.state, trans)}
      </Mark>
      {dated && (
        <span className="mn-quiet">
          <Ago time={occurrence.ended ?? occurrence.started ?? occurrence.at} />
        </span>
      )}
    </span>
  );
}

function outcomeText(state: OccurrenceState, trans: Trans): string {
  switch (state) {
    case 'waiting':
      return trans.__('waiting');
    case 'running':
      return trans.__('running');
    case 'succeeded':
      return trans.__('succeeded');
    case 'failed':
      return trans.__('failed');
    case 'timed-out':
      return trans.__('timed out');
    case 'cancelled':
      return trans.__('cancelled');
    case 'lost':
      return trans.__('lost');
    case 'missed':
      return trans.__('missed');
    case 'skipped':
      return trans.__('skipped: the one before still ran');
  }
}

/** What a schedule runs, in words. */
export function targetText(schedule: Schedule, trans: Trans): string {
  const tasks = schedule.tasks ?? [];
  return tasks.length ? tasks.join(', ') : trans.__('the whole pipeline');
}
