/** The schedules of a project, and what can be done with one. */

import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import type { CalendarView, Occurrence, PanelEvent, ScheduleList } from '../api';
import { got } from '../request';
import type { ProjectModel } from './panel';
import { Resource } from './resource';
import { daysFrom } from './timetable';

/**
 * Milliseconds between looks while the page is seen: a scheduler is another process, and its claims,
 * its coming and its going bring no events.
 */
const LOOK = 20_000;

/** Loads schedules and their calendar; both anew when a schedule changes or a run turns. */
export class SchedulesModel implements IDisposable {
  constructor(private readonly project: ProjectModel) {
    const { api, path } = project;
    this.list = new Resource<ScheduleList>(signal =>
      got(
        api.GET('/mlops-nb/v1/schedules', {
          params: { query: { project: path } },
          signal
        })
      )
    );
    this.calendar = new Resource<CalendarView>(signal => {
      const now = Date.now() / 1000;
      const until = daysFrom(now).at(-1)!.end;
      return got(
        api.GET('/mlops-nb/v1/schedules-calendar', {
          params: { query: { project: path, since: Math.floor(now), until } },
          signal
        })
      );
    });
  }

  readonly list: Resource<ScheduleList>;
  readonly calendar: Resource<CalendarView>;

  get isDisposed(): boolean {
    return this.list.isDisposed;
  }

  /** Keep true to what happens, until the returned function is called. */
  watch(): () => void {
    const onTold = (_: unknown, event: PanelEvent) => {
      if (event.kind === 'schedules.changed') {
        void this.refresh();
      }
    };
    const onTurned = () => void this.refresh();
    this.project.told.connect(onTold);
    this.project.feed.turned.connect(onTurned);
    const poll = new Poll({
      name: 'mlops-nb:schedules',
      auto: false,
      standby: 'when-hidden',
      frequency: { interval: LOOK, backoff: true, max: 6 * LOOK },
      factory: () => this.list.refresh()
    });
    void poll.schedule({ phase: 'started', interval: LOOK });
    return () => {
      poll.dispose();
      this.project.told.disconnect(onTold);
      this.project.feed.turned.disconnect(onTurned);
    };
  }

  async refresh(): Promise<void> {
    await Promise.all([this.list.refresh(), this.calendar.refresh()]);
  }

  async pause(schedule: string): Promise<void> {
    await this.project.api.POST('/mlops-nb/v1/schedules/{schedule}/pause', {
      params: this._of(schedule),
      body: {}
    });
    await this.refresh();
  }

  async resume(schedule: string): Promise<void> {
    await this.project.api.POST('/mlops-nb/v1/schedules/{schedule}/resume', {
      params: this._of(schedule),
      body: {}
    });
    await this.refresh();
  }

  async runNow(schedule: string): Promise<Occurrence> {
    const occurrence = await got(
      this.project.api.POST('/mlops-nb/v1/schedules/{schedule}/run-now', {
        params: this._of(schedule),
        body: {}
      })
    );
    await this.refresh();
    return occurrence;
  }

  async remove(schedule: string): Promise<void> {
    await this.project.api.DELETE('/mlops-nb/v1/schedules/{schedule}', {
      params: this._of(schedule)
    });
    await this.refresh();
  }

  /** What became of a schedule's times, the latest first. */
  async history(
    schedule: string,
    limit: number,
    signal?: AbortSignal
  ): Promise<Occurrence[]> {
    const { path, query } = this._of(schedule);
    const found = await got(
      this.project.api.GET('/mlops-nb/v1/schedules/{schedule}/history', {
        params: { path, query: { ...query, limit } },
        signal
      })
    );
    return found.occurrences;
  }

  dispose(): void {
    this.list.dispose();
    this.calendar.dispose();
  }

  private _of(schedule: string) {
    return { path: { schedule }, query: { project: this.project.path } };
  }
}
