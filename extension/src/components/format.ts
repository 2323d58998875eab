/** Numbers and times as people read them. */

import type { Trans } from '../tokens';

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`; empty for nothing. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return '';
  }
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.round(seconds)} s`;
  }
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  }
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** A number with five significant digits at most; whole ones whole. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) {
    return String(value);
  }
  return String(Number(value.toPrecision(Number.isInteger(value) ? 15 : 5)));
}

/** A run's metrics as they are shown: shares line up, and a task that is alone goes without saying. */
export function metricTexts(metrics: Record<string, number>): [string, string][] {
  const names = Object.keys(metrics);
  const tasks = [...new Set(names.map(name => name.split('.')[0]))];
  return names.map(name => {
    const value = metrics[name];
    const isShare = Math.abs(value) < 1 && Math.abs(value) >= 1e-4;
    return [shortName(name, tasks), isShare ? value.toPrecision(4) : figure(value)];
  });
}

/** Date and time in the reader's language; `seconds` since the epoch. */
export function dateTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'medium'
  });
}

/** `just now`, `4 minutes ago`, `yesterday`, in the reader's language. */
export function ago(seconds: number, trans: Trans, now = Date.now() / 1000): string {
  const past = now - seconds;
  if (past < 45) {
    return trans.__('just now');
  }
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, 'minute'],
    [3600, 'hour'],
    [86400, 'day'],
    [604800, 'week'],
    [2629800, 'month'],
    [31557600, 'year']
  ];
  let [size, unit] = steps[0];
  for (const step of steps) {
    if (past >= step[0] * 0.95) {
      [size, unit] = step;
    }
  }
  return format.format(-Math.max(1, Math.round(past / size)), unit);
}

/** A name among those of one task: without the task's, which tells equal ones apart. */
export function shortName(name: string, tasks: readonly string[]): string {
  const prefix = `${tasks[0]}.`;
  return tasks.length === 1 && name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/** A parameter's value as it would stand in a notebook. */
export function literal(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
