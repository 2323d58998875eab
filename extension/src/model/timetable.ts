/** When schedules are due, as people read it: days of a calendar, and times in words. */

import type { When } from '../api';

/** Days that the calendar shows. */
export const DAYS = 14;

/** The server lists at most so many times of one schedule. */
export const MOST_TIMES = 2000;

/** One day in the reader's own time, seconds since the epoch. */
export interface IDay {
  readonly start: number;
  readonly end: number;
  readonly isWeekend: boolean;
}

/** Return today and the days after it; a day of a clock change has 23 or 25 hours. */
export function daysFrom(now: number, count = DAYS): IDay[] {
  const midnight = (ahead: number) => {
    const date = new Date(now * 1000);
    return new Date(date.getFullYear(), date.getMonth(), date.getDate() + ahead);
  };
  return Array.from({ length: count }, (_, ahead) => {
    const start = midnight(ahead);
    return {
      start: start.getTime() / 1000,
      end: midnight(ahead + 1).getTime() / 1000,
      isWeekend: [0, 6].includes(start.getDay())
    };
  });
}

/** Return the times of a day, or `null` where the server's list ends before it. */
export function timesOf(times: readonly When[], day: IDay): readonly When[] | null {
  const last = times.at(-1);
  if (times.length >= MOST_TIMES && last && last.at < day.end) {
    return null;
  }
  return times.filter(one => one.at >= day.start && one.at < day.end);
}

/** `06:00` in the reader's time; by 24 hours, which needs the least room. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23'
  });
}

/** `Mon, 30 Nov, 06:00` in a schedule's own zone; the reader's where the browser knows no such zone. */
export function zoned(seconds: number, timezone: string): string {
  const options: Intl.DateTimeFormatOptions = {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit'
  };
  const date = new Date(seconds * 1000);
  try {
    return date.toLocaleString(undefined, { ...options, timeZone: timezone });
  } catch {
    return date.toLocaleString(undefined, { ...options, timeZoneName: 'short' });
  }
}

/** `in 3 hours`, `tomorrow`, in the reader's language. */
export function until(seconds: number, now: number): string {
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
  const ahead = Math.max(0, seconds - now);
  if (ahead < 3600) {
    return format.format(Math.max(1, Math.round(ahead / 60)), 'minute');
  }
  if (ahead < 86400) {
    return format.format(Math.round(ahead / 3600), 'hour');
  }
  const midnight = (time: number) => new Date(time * 1000).setHours(0, 0, 0, 0);
  return format.format(Math.round((midnight(seconds) - midnight(now)) / 86_400_000), 'day');
}

/** The reader's own time zone. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** Zones that a form offers; the server takes any IANA name. */
export function knownZones(): readonly string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone').filter(one => one !== 'UTC')];
}
