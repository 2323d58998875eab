/** Schedules for tests. */

import type { Occurrence, Schedule, ScheduleList, ScheduleView } from '../src/api';

/** 30 November 2026, 06:00 UTC. */
export const AT = 1_796_018_400;

export function scheduleOf(name: string, more: Partial<Schedule> = {}): Schedule {
  return {
    name,
    when: '0 6 * * *',
    timezone: 'UTC',
    tasks: [],
    parameters: {},
    force: false,
    source: 'latest',
    ref: 'HEAD',
    missed: 'once',
    grace: 60,
    overlap: 'skip',
    max_running: 1,
    retries: 0,
    backoff: 60,
    timeout: null,
    jitter: 0,
    start: '',
    end: '',
    sla: null,
    keep: 0,
    keep_days: 0,
    description: '',
    ...more
  };
}

export function scheduleView(name: string, more: Partial<ScheduleView> = {}): ScheduleView {
  return {
    schedule: scheduleOf(name),
    words: 'every day at 06:00',
    paused: false,
    paused_by: '',
    next_at: AT,
    next_local: '2026-11-30T06:00:00+00:00',
    origin: 'store',
    last: null,
    running: 0,
    waiting: 0,
    next: [{ at: AT, local: '2026-11-30T06:00:00+00:00' }],
    ...more
  };
}

export function scheduleList(
  schedules: ScheduleView[],
  more: Partial<ScheduleList> = {}
): ScheduleList {
  return { schedules, schedulers: [], served: true, fix: '', ...more };
}

export function occurrence(more: Partial<Occurrence> = {}): Occurrence {
  return {
    id: 1,
    schedule: 'nightly',
    at: AT - 86_400,
    local: '2026-11-29T06:00:00+00:00',
    state: 'succeeded',
    manual: false,
    due: AT - 86_400,
    attempt: 1,
    run: '20261129-060000-a',
    started: AT - 86_400,
    ended: AT - 86_380,
    owner: '',
    fence: 1,
    why: '',
    parameters: {},
    frozen: '',
    attempts: [],
    ...more
  };
}
