/** Runs as they go: one record per run, kept true by events, mended where events were missed. */

import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type { RunView } from '../api';
import { got, type Api } from '../request';
import { applyEvent, type IRunEvent } from './fold';
import type { IReadable } from './resource';

/** The runs that are followed, by id. */
export type LiveRuns = ReadonlyMap<string, RunView>;

export interface IFeedOptions {
  readonly api: Api;
  /** The project's path relative to the server's root. */
  readonly project: string;
  /** Milliseconds between two looks at runs that go on, in case an event was lost. */
  readonly interval?: number;
}

/**
 * Follows runs. Events bring `seq` without gaps: the next one is applied, an old one is passed
 * over, and where some are missing all after the last known one are fetched. The event bus does not
 * replay, so a slow poll looks after runs that go on, as long as the page can be seen.
 */
export class RunFeed implements IReadable<LiveRuns>, IDisposable {
  constructor(private readonly options: IFeedOptions) {
    this._poll = new Poll({
      name: 'mlops-nb:runs',
      auto: false,
      standby: 'when-hidden',
      frequency: { interval: options.interval ?? 10_000, backoff: true, max: 60_000 },
      factory: () => this.catchUp()
    });
  }

  get snapshot(): LiveRuns {
    return this._runs;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted with the id of a run that has just ended, or just begun. */
  get turned(): ISignal<this, string> {
    return this._turned;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  /** Whether a run goes on. */
  get isBusy(): boolean {
    return [...this._runs.values()].some(isOn);
  }

  /** The runs that go on, the newest first. */
  get active(): RunView[] {
    return [...this._runs.values()]
      .filter(isOn)
      .sort((a, b) => b.summary.id.localeCompare(a.summary.id));
  }

  /** Follow a run from now on; what is followed already is not fetched again. */
  async follow(id: string): Promise<RunView | null> {
    const known = this._runs.get(id);
    if (known) {
      return known;
    }
    await this._fetch(id);
    return this._runs.get(id) ?? null;
  }

  /** Fetch a run's record anew: something beside its events changed. */
  async reload(id: string): Promise<void> {
    await this._fetch(id);
  }

  /** Take an event in. */
  handle(event: IRunEvent): void {
    if (this.isDisposed) {
      return;
    }
    const run = this._runs.get(event.run);
    if (!run || event.kind === 'run.lost' || event.kind === 'run.settled') {
      void this._fetch(event.run); // neither a loss nor a page that was written is in the log
    } else if (event.seq === run.summary.last_seq + 1) {
      this._put(applyEvent(run, event));
    } else if (event.seq > run.summary.last_seq) {
      void this._mend(event.run);
    }
  }

  /** Fetch what was missed of the runs that go on. */
  async catchUp(): Promise<void> {
    await Promise.all(this.active.map(run => this._mend(run.summary.id)));
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  /** Fetch a run's record; calls for one run at one time share a request. */
  private _fetch(id: string): Promise<void> {
    return this._once(id, async () => this._put(await this._record(id)));
  }

  private _record(id: string): Promise<RunView> {
    const { api, project } = this.options;
    const params = { path: { run: id }, query: { project } };
    return got(api.GET('/mlops-nb/v1/runs/{run}', { params }));
  }

  /** Fetch the events after the last known one. */
  private _mend(id: string): Promise<void> {
    return this._once(id, async () => {
      const { api, project } = this.options;
      const since = this._runs.get(id)!.summary.last_seq;
      const params = { path: { run: id }, query: { project, since } };
      const answer = await got(api.GET('/mlops-nb/v1/runs/{run}/events', { params }));
      let run = this._runs.get(id)!;
      for (const event of answer.events) {
        run = applyEvent(run, event as IRunEvent);
      }
      this._put(run);
      if (run.summary.status === 'running' && answer.status === 'lost') {
        this._put(await this._record(id));
      }
    });
  }

  private async _once(id: string, work: () => Promise<void>): Promise<void> {
    if (this._asking.has(id)) {
      this._again.add(id); // what came meanwhile may not be in the answer
      return;
    }
    this._asking.add(id);
    try {
      await work();
    } catch {
      // The poll tries again, and views tell of a server that is away.
    } finally {
      this._asking.delete(id);
    }
    if (this._again.delete(id) && this._runs.has(id) && !this.isDisposed) {
      await this._mend(id);
    }
  }

  private _put(run: RunView): void {
    if (this.isDisposed) {
      return;
    }
    const { id, status } = run.summary;
    const before = this._runs.get(id);
    if (before === run) {
      return;
    }
    this._runs = new Map(this._runs).set(id, run);
    this._pace();
    if (before?.summary.status !== status) {
      this._turned.emit(id);
      void (this.isBusy ? this._poll.start() : this._poll.stop());
    }
  }

  /** Tell once for all that comes within a moment: a screen draws no faster. */
  private _pace(): void {
    this._timer ??= setTimeout(() => {
      this._timer = null;
      if (!this.isDisposed) {
        this._changed.emit();
      }
    }, 30);
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _turned = new Signal<this, string>(this);
  private readonly _poll: Poll;
  private readonly _asking = new Set<string>();
  private readonly _again = new Set<string>();
  private _runs: LiveRuns = new Map();
  private _timer: ReturnType<typeof setTimeout> | null = null;
}

function isOn(run: RunView): boolean {
  return run.summary.status === 'running';
}
