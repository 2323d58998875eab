/** What a notebook is to its project: the source of tasks, and with which parameters. */

import type { IDisposable } from '@lumino/disposable';
import type { Membership, ParameterView, TaskView } from '../api';
import { got } from '../request';
import type { PanelModel } from './panel';
import { Resource } from './resource';

/** One opened notebook's place; kept true to the pipeline. */
export class MembershipModel implements IDisposable {
  constructor(
    private readonly model: PanelModel,
    private _path: string
  ) {
    this.membership = new Resource<Membership>(signal =>
      got(
        model.api.GET('/mlops-nb/v1/membership', {
          params: { query: { path: this._path } },
          signal
        })
      )
    );
    model.changed.connect(this._watch, this);
    this._watch();
  }

  readonly membership: Resource<Membership>;

  get isDisposed(): boolean {
    return this.membership.isDisposed;
  }

  /** The notebook was renamed. */
  set path(path: string) {
    this._path = path;
    void this.membership.refresh();
  }

  get path(): string {
    return this._path;
  }

  /** Its path relative to its project; empty outside of one. */
  get source(): string {
    const project = this.membership.value?.project;
    if (!project) {
      return '';
    }
    return project.path ? this._path.slice(project.path.length + 1) : this._path;
  }

  /** The tasks it is the source of. */
  get taskNames(): readonly string[] {
    const found = this.membership.value;
    return found?.role === 'source' ? found.tasks : [];
  }

  /** The same tasks with their states, where their project is the chosen one. */
  get tasks(): readonly TaskView[] {
    const { project } = this.model;
    if (this.membership.value?.project?.path !== project.path) {
      return [];
    }
    const names = this.taskNames;
    return project.pipeline.value?.tasks.filter(task => names.includes(task.name)) ?? [];
  }

  /** What a run would give it. */
  get parameters(): readonly ParameterView[] {
    const names = this.tasks.map(task => task.name);
    const all = this.model.project.pipeline.value?.parameters ?? [];
    return all.filter(one => one.known && one.tasks.some(task => names.includes(task)));
  }

  /** Go over to the notebook's project. */
  select(): void {
    const project = this.membership.value?.project;
    if (project) {
      this.model.select(project.path);
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.model.changed.disconnect(this._watch, this);
      this.model.project.pipeline.changed.disconnect(this._onPipeline, this);
      this.membership.dispose();
    }
  }

  private _watch(): void {
    this.model.project.pipeline.changed.connect(this._onPipeline, this);
    void this.membership.refresh();
  }

  /** Ask again where the pipeline has other tasks than before. */
  private _onPipeline(): void {
    const { value, loading } = this.model.project.pipeline.snapshot;
    const tasks = value?.tasks.map(task => `${task.name} ${task.source}`).join('\n') ?? '';
    if (!loading && tasks !== this._tasks) {
      this._tasks = tasks;
      void this.membership.refresh();
    }
  }

  private _tasks = '';
}
