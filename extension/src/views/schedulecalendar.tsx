/** The next two weeks: a row a schedule, a column a day. */

import type { ScheduleView, When } from '../api';
import { useTrans } from '../components/context';
import { clock, daysFrom, ownZone, timesOf, type IDay } from '../model/timetable';
import type { Trans } from '../tokens';

/** Rows that are drawn: more is no picture any more. */
const ROWS = 50;

/** Times that a cell's tooltip lists. */
const LISTED = 12;

export function Calendar(props: {
  schedules: readonly ScheduleView[];
  times: Record<string, When[]>;
  now: number;
  onChoose: (name: string) => void;
}): JSX.Element {
  const trans = useTrans();
  const days = daysFrom(props.now);
  const rows = props.schedules.slice(0, ROWS);
  return (
    <section className="mn-Calendar" aria-label={trans.__('The next two weeks')}>
      <h3>
        {trans.__('The next two weeks')}{' '}
        <span className="mn-quiet">
          {trans.__(
            '%1 to %2, in your time, %3',
            dayAndMonth(days[0]),
            dayAndMonth(days.at(-1)!),
            ownZone()
          )}
        </span>
      </h3>
      <table>
        <caption className="mn-hidden">
          {trans.__('How often each schedule is due on each day')}
        </caption>
        <thead>
          <tr>
            <td />
            {days.map((day, index) => (
              <th key={day.start} scope="col" className={classOf(day)}>
                <span className="mn-quiet">{weekday(day, index, trans)}</span>
                <span>{new Date(day.start * 1000).getDate()}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ schedule, paused }) => (
            <tr key={schedule.name}>
              <th scope="row">
                <button
                  type="button"
                  className="mn-Link mn-cut"
                  onClick={() => props.onChoose(schedule.name)}
                >
                  {schedule.name}
                </button>
              </th>
              {paused ? (
                <td colSpan={days.length} className="mn-quiet">
                  {trans.__('paused')}
                </td>
              ) : (
                days.map(day => (
                  <Cell
                    key={day.start}
                    day={day}
                    times={timesOf(props.times[schedule.name] ?? [], day)}
                  />
                ))
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {props.schedules.length > rows.length && (
        <p className="mn-quiet">
          {trans.__('The first %1 of %2 schedules.', rows.length, props.schedules.length)}
        </p>
      )}
    </section>
  );
}

function Cell(props: { day: IDay; times: readonly When[] | null }): JSX.Element {
  const trans = useTrans();
  const { day, times } = props;
  if (times === null) {
    return (
      <td className={classOf(day)} title={trans.__('Too often to list so far ahead')}>
        <span className="mn-Due">
          <span aria-hidden="true">…</span>
          <span className="mn-hidden">{trans.__('often')}</span>
        </span>
      </td>
    );
  }
  if (!times.length) {
    return <td className={classOf(day)} />;
  }
  const listed = times.slice(0, LISTED).map(one => clock(one.at));
  if (times.length > LISTED) {
    listed.push(trans.__('and %1 more', times.length - LISTED));
  }
  return (
    <td className={classOf(day)} title={listed.join('\n')}>
      <span className="mn-Due">
        {times.length === 1 ? (
          clock(times[0].at)
        ) : (
          <>
            <span aria-hidden="true">{times.length}×</span>
            <span className="mn-hidden">{trans.__('%1 times', times.length)}</span>
          </>
        )}
      </span>
    </td>
  );
}

function classOf(day: IDay): string | undefined {
  return day.isWeekend ? 'mn-mod-weekend' : undefined;
}

function weekday(day: IDay, index: number, trans: Trans): string {
  return index === 0
    ? trans.__('today')
    : new Date(day.start * 1000).toLocaleDateString(undefined, { weekday: 'short' });
}

function dayAndMonth(day: IDay): string {
  return new Date(day.start * 1000).toLocaleDateString(undefined, {
    day: 'numeric',
    month: 'long'
  });
}
