/** What became of a schedule's times. */

import { useEffect, useMemo, useState } from 'react';
import type { Occurrence, OccurrenceState, ScheduleView } from '../api';
import { Ago } from '../components/clock';
import { usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import type { GlyphName } from '../components/icons';
import { Button, Loaded } from '../components/states';
import { Mark, type Tone } from '../components/status';
import { Resource } from '../model/resource';
import type { SchedulesModel } from '../model/schedules';
import { zoned } from '../model/timetable';
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

/** The history of a schedule, with a link to each run. */
export function History(props: { model: SchedulesModel; view: ScheduleView }): JSX.Element {
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
