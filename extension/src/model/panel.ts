/** The extension's state: which project, what it holds, and what is going on in it. */

import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal, type IStream } from '@lumino/signaling';
import type {
  About,
  PanelEvent,
  PipelineView,
  PlanView,
  ProjectList,
  RunList,
  RunRequest,
  Started
} from '../api';
import { body, got, type Api } from '../request';
import { RunFeed } from './feed';
import { FormModel } from './form';
import { Resource, type IReadable } from './resource';

export type PanelEvents = IStream<unknown, Event.Emission>;

/** Runs a page of the history holds at first, and how many each further page adds. */
export const PAGE = 50;

/** Seconds between looks for a run that was started and is not heard of. */
const PATIENCE = [2, 5, 10, 30];

/** Everything of one project; made anew when another project is chosen. */
export class ProjectModel implements IDisposable {
  constructor(
    readonly api: Api,
    /** Relative to the server's root; empty for the root itself. */
    readonly path: string
  ) {
    const query = { project: path };
    this.feed = new RunFeed({ api, project: path });
    this.pipeline = new Resource<PipelineView>(async signal => {
      const found = await got(
        api.GET('/mlops-nb/v1/pipeline', { params: { query }, signal })
      );
      for (const run of found.active) {
        void this.feed.follow(run);
      }
      return found;
    });
    this.runs = new Resource<RunList>(signal =>
      got(
        api.GET('/mlops-nb/v1/runs', {
          params: { query: { ...query, limit: this._limit } },
          signal
        })
      )
    );
    this.form = new FormModel(this);
    this.feed.turned.connect(this._onTurned, this);
  }

  readonly feed: RunFeed;
  /** Parameters for the next run. */
  readonly form: FormModel;
  readonly pipeline: Resource<PipelineView>;
  readonly runs: Resource<RunList>;

  /** Emitted with every event of the project that belongs to no run: `models.changed` ... */
  get told(): ISignal<this, PanelEvent> {
    return this._told;
  }

  get isDisposed(): boolean {
    return this.feed.isDisposed;
  }

  /** Load a further page of the history. */
  async more(): Promise<void> {
    this._limit = Math.min(500, this._limit + PAGE);
    await this.runs.refresh();
  }

  async plan(request: Partial<RunRequest>): Promise<PlanView> {
    return got(
      this.api.POST('/mlops-nb/v1/pipeline/plan', {
        params: { query: { project: this.path } },
        body: body(request)
      })
    );
  }

  async start(request: Partial<RunRequest>): Promise<Started> {
    return this._started(
      this.api.POST('/mlops-nb/v1/runs', {
        params: { query: { project: this.path } },
        body: body(request)
      })
    );
  }

  async rerun(run: string, force = false): Promise<Started> {
    return this._started(
      this.api.POST('/mlops-nb/v1/runs/{run}/rerun', {
        params: this._of(run),
        body: { force }
      })
    );
  }

  async resume(run: string): Promise<Started> {
    return this._started(
      this.api.POST('/mlops-nb/v1/runs/{run}/resume', { params: this._of(run), body: {} })
    );
  }

  async cancel(run: string): Promise<void> {
    await this.api.POST('/mlops-nb/v1/runs/{run}/cancel', {
      params: this._of(run),
      body: {}
    });
  }

  /** Take an event of this project in. */
  handle(event: PanelEvent): void {
    if (event.run && event.kind !== 'run.refused') {
      this.feed.handle(event);
      if (event.kind === 'run.settled') {
        void this.pipeline.refresh(); // it names the pages that were written
      }
      return;
    }
    if (event.kind === 'pipeline.changed') {
      void this.pipeline.refresh();
      this.form.refresh();
    }
    this._told.emit(event);
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.feed.dispose();
      this.form.dispose();
      this.pipeline.dispose();
      this.runs.dispose();
      Signal.clearData(this);
    }
  }

  private _of(run: string) {
    return { path: { run }, query: { project: this.path } };
  }

  private async _started(answer: Promise<{ data?: Started }>): Promise<Started> {
    const started = await got(answer);
    if (started.started) {
      void this._expect(started.run);
    }
    return started;
  }

  /** Look after a run that was started: its first event tells of it, if nothing is lost. */
  private async _expect(run: string): Promise<void> {
    for (const seconds of PATIENCE) {
      await new Promise(resolve => setTimeout(resolve, seconds * 1000));
      if (this.isDisposed || this.feed.snapshot.has(run)) {
        return;
      }
      await this.runs.refresh();
      if (this.runs.value?.active.includes(run)) {
        await this.feed.follow(run);
      }
    }
  }

  private _onTurned(): void {
    void this.runs.refresh();
    void this.pipeline.refresh();
  }

  private readonly _told = new Signal<this, PanelEvent>(this);
  private _limit = PAGE;
}

/** The extension's state. */
export class PanelModel implements IReadable<ProjectModel>, IDisposable {
  constructor(
    readonly api: Api,
    /** The Jupyter server's base URL, for the addresses of pages. */
    readonly baseUrl: string,
    private readonly _events: PanelEvents | null = null
  ) {
    this.about = new Resource<About>(signal =>
      got(api.GET('/mlops-nb/v1/about', { signal }))
    );
    this.projects = new Resource<ProjectList>(signal =>
      got(api.GET('/mlops-nb/v1/projects', { signal }))
    );
    this._project = new ProjectModel(api, '');
    this.projects.changed.connect(this._onProjects, this);
    this._events?.connect(this._onEvent, this);
  }

  readonly about: Resource<About>;
  readonly projects: Resource<ProjectList>;

  /** The chosen project. */
  get project(): ProjectModel {
    return this._project;
  }

  get snapshot(): ProjectModel {
    return this._project;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this.about.isDisposed;
  }

  /** Look for projects; chooses the only one, or the first, where none was chosen. */
  async load(): Promise<void> {
    await Promise.all([this.about.refresh(), this.projects.refresh()]);
  }

  /** The server seems to be away: ask it, and go on asking until it is back. */
  async lookAgain(): Promise<void> {
    const { pipeline, runs } = this._project;
    const known = [this.about, this.projects, pipeline, runs].filter(
      one => one.value !== null && one.snapshot.error === null
    );
    await Promise.all(known.map(one => one.refresh()));
  }

  /** Go over to another project. */
  select(path: string): void {
    this._chosen = true;
    if (path !== this._project.path) {
      const before = this._project;
      this._project = new ProjectModel(this.api, path);
      this._changed.emit();
      before.dispose();
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._events?.disconnect(this._onEvent, this);
      this._project.dispose();
      this.about.dispose();
      this.projects.dispose();
      Signal.clearData(this);
    }
  }

  private _onProjects(): void {
    const found = this.projects.value?.projects;
    if (
      !found?.length ||
      (this._chosen && found.some(one => one.path === this._project.path))
    ) {
      return;
    }
    if (!found.some(one => one.path === this._project.path)) {
      this.select(found[0].path);
    }
  }

  private _onEvent(_: unknown, emission: Event.Emission): void {
    const schema = this.about.value?.events;
    const event = emission as unknown as PanelEvent;
    if (schema && emission.schema_id === schema && event.project === this._project.path) {
      this._project.handle(event);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  /** Whether to keep quiet about runs that end. */
  quiet = false;

  private _project: ProjectModel;
  private _chosen = false;
}
