/** A schedule that is being written: what was typed, and when it would be due. */

import type { IDisposable } from '@lumino/disposable';
import { Debouncer } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type {
  AddSchedule,
  EditSchedule,
  ParameterView,
  PipelineView,
  PreviewSchedule,
  Schedule,
  ScheduleTimes,
  ScheduleView
} from '../api';
import { body, got, type ApiError } from '../request';
import type { ProjectModel } from './panel';
import { asApiError, type IReadable } from './resource';
import { ownZone } from './timetable';

/** What a schedule runs; several tasks only where it did so before. */
export type Scope = 'pipeline' | 'task' | 'tasks' | 'notebook';

/** What happens when things go otherwise. */
export type IPolicies = Readonly<
  Pick<Schedule, 'missed' | 'overlap' | 'source' | 'retries' | 'timeout'>
>;

/** As the API has them where they are left out. */
const DEFAULTS: IPolicies = {
  missed: 'once',
  overlap: 'skip',
  source: 'latest',
  retries: 0,
  timeout: null
};

export interface IFields {
  readonly name: string;
  readonly when: string;
  readonly timezone: string;
  readonly scope: Scope;
  readonly task: string;
  readonly notebook: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly policies: IPolicies;
}

export interface IDraft {
  readonly fields: IFields;
  /** When it would be due; `null` where nothing was typed or it is being worked out. */
  readonly times: ScheduleTimes | null;
  readonly asking: boolean;
  /** What is wrong with the time or the zone. */
  readonly wrong: ApiError | null;
  readonly saving: boolean;
  /** Why it was not saved. */
  readonly refused: ApiError | null;
}

/** Coming times that the form shows. */
const SHOWN = 5;

/** A schedule, new or changed; each change of the time has the next times worked out anew. */
export class ScheduleDraft implements IReadable<IDraft>, IDisposable {
  constructor(
    private readonly project: ProjectModel,
    notebook = '',
    /** The one that is changed; `null` for a new one. */
    readonly old: Schedule | null = null,
    /** Milliseconds without a change before the times are asked for. */
    wait = 300
  ) {
    this._debouncer = new Debouncer(() => this._ask(), wait);
    this._state = {
      fields: old
        ? fieldsOf(old)
        : {
            name: stemOf(notebook),
            when: '',
            timezone: ownZone(),
            scope: notebook ? 'notebook' : 'pipeline',
            task: '',
            notebook,
            parameters: {},
            policies: DEFAULTS
          },
      times: null,
      asking: old !== null,
      wrong: null,
      saving: false,
      refused: null
    };
    if (old) {
      void this._debouncer.invoke();
    }
  }

  get snapshot(): IDraft {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._debouncer.isDisposed;
  }

  /** Whether all is there that a schedule needs. */
  get isReady(): boolean {
    const { fields, wrong, saving } = this._state;
    return (
      !saving &&
      wrong === null &&
      fields.name.trim() !== '' &&
      fields.when.trim() !== '' &&
      (fields.scope !== 'task' || fields.task !== '') &&
      (fields.scope !== 'notebook' || fields.notebook !== '')
    );
  }

  /** Note what was typed. */
  type(change: Partial<IFields>): void {
    const fields = { ...this._state.fields, ...change };
    const isTime = 'when' in change || 'timezone' in change;
    if (!isTime) {
      this._emit({ ...this._state, fields, refused: null });
      return;
    }
    this._asked += 1;
    const asking = fields.when.trim() !== '';
    this._emit({
      ...this._state,
      fields,
      asking,
      times: null,
      wrong: null,
      refused: null
    });
    if (asking) {
      void this._debouncer.invoke();
    }
  }

  /** Note a parameter; the pipeline's own value takes it back. */
  set(parameter: ParameterView, value: unknown): void {
    const parameters = { ...this._state.fields.parameters };
    if (
      value === undefined ||
      (parameter.known && JSON.stringify(value) === JSON.stringify(parameter.value))
    ) {
      delete parameters[parameter.name];
    } else {
      parameters[parameter.name] = value;
    }
    this.type({ parameters });
  }

  /** Add or change it; returns it, or `null` where the server refused it and said why. */
  async save(parameters: readonly ParameterView[]): Promise<ScheduleView | null> {
    this._emit({ ...this._state, saving: true, refused: null });
    try {
      const saved = await (this.old
        ? this._edit(this.old, parameters)
        : this._add(parameters));
      this._emit({ ...this._state, saving: false });
      return saved;
    } catch (error) {
      this._emit({ ...this._state, saving: false, refused: asApiError(error) });
      return null;
    }
  }

  dispose(): void {
    this._debouncer.dispose();
    Signal.clearData(this);
  }

  private _add(parameters: readonly ParameterView[]): Promise<ScheduleView> {
    const { fields } = this._state;
    const given = this._given(parameters);
    return got(
      this.project.api.POST('/mlops-nb/v1/schedules', {
        params: { query: { project: this.project.path } },
        body: body<AddSchedule>({
          name: fields.name.trim(),
          when: fields.when.trim(),
          timezone: fields.timezone.trim(),
          ...(fields.scope === 'task' && { tasks: [fields.task] }),
          ...(fields.scope === 'notebook' && { notebooks: [fields.notebook] }),
          ...(Object.keys(given).length && { parameters: given }),
          ...changesOf(DEFAULTS, fields.policies)
        })
      })
    );
  }

  private _edit(
    old: Schedule,
    parameters: readonly ParameterView[]
  ): Promise<ScheduleView> {
    const { fields } = this._state;
    const { scope, policies } = fields;
    const wanted = {
      when: fields.when.trim(),
      timezone: fields.timezone.trim(),
      tasks: scope === 'tasks' ? old.tasks : scope === 'task' ? [fields.task] : [],
      parameters: this._given(parameters),
      ...policies
    };
    return got(
      this.project.api.POST('/mlops-nb/v1/schedules/{schedule}/edit', {
        params: { path: { schedule: old.name }, query: { project: this.project.path } },
        body: body<EditSchedule>(changesOf(old, wanted))
      })
    );
  }

  /** What was given of these parameters, and of those that no notebook declares. */
  private _given(parameters: readonly ParameterView[]): Record<string, unknown> {
    const known = new Set(parameters.map(one => one.name));
    const declared = this.project.pipeline.value?.parameters.map(one => one.name) ?? [];
    const given = Object.entries(this._state.fields.parameters).filter(
      ([name]) => known.has(name) || (this.old !== null && !declared.includes(name))
    );
    return Object.fromEntries(given);
  }

  private async _ask(): Promise<void> {
    const asked = this._asked;
    const { when, timezone } = this._state.fields;
    let found: Pick<IDraft, 'times' | 'wrong'>;
    try {
      const times = await got(
        this.project.api.POST('/mlops-nb/v1/schedules-preview', {
          params: { query: { project: this.project.path } },
          body: body<PreviewSchedule>({
            when: when.trim(),
            timezone: timezone.trim(),
            count: SHOWN
          })
        })
      );
      found = { times, wrong: null };
    } catch (error) {
      found = { times: null, wrong: asApiError(error) };
    }
    if (asked === this._asked && !this.isDisposed) {
      this._emit({ ...this._state, ...found, asking: false });
    }
  }

  private _emit(state: IDraft): void {
    this._state = state;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _debouncer: Debouncer;
  private _state: IDraft;
  private _asked = 0;
}

/** Return the parameters that a schedule's tasks take, with those of what they need. */
export function parametersOf(
  pipeline: PipelineView,
  fields: IFields,
  /** What it ran before, for the scope `tasks`. */
  tasks: readonly string[] = []
): ParameterView[] {
  if (fields.scope === 'pipeline') {
    return pipeline.parameters;
  }
  const reached = new Set<string>();
  const { scope } = fields;
  const waiting = pipeline.tasks
    .filter(task =>
      scope === 'notebook'
        ? task.source === fields.notebook
        : (scope === 'task' ? [fields.task] : tasks).includes(task.name)
    )
    .map(task => task.name);
  while (waiting.length) {
    const name = waiting.pop()!;
    if (!reached.has(name)) {
      reached.add(name);
      waiting.push(...(pipeline.tasks.find(task => task.name === name)?.upstream ?? []));
    }
  }
  return pipeline.parameters.filter(one => one.tasks.some(task => reached.has(task)));
}

/** The notebooks that are tasks' sources. */
export function notebooksOf(pipeline: PipelineView): string[] {
  const sources = pipeline.tasks
    .filter(task => task.source_is_file)
    .map(task => task.source);
  return [...new Set(sources)].sort();
}

function fieldsOf(old: Schedule): IFields {
  const { missed, overlap, source, retries, timeout } = old;
  return {
    name: old.name,
    when: old.when,
    timezone: old.timezone,
    scope: (['pipeline', 'task'] as const)[old.tasks.length] ?? 'tasks',
    task: old.tasks[0] ?? '',
    notebook: '',
    parameters: old.parameters,
    policies: { missed, overlap, source, retries, timeout }
  };
}

/** Return the fields of `wanted` that are otherwise in `old`. */
function changesOf<T extends object>(old: T, wanted: Partial<T>): Partial<T> {
  const changed = Object.entries(wanted).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(old[name as keyof T])
  );
  return Object.fromEntries(changed) as Partial<T>;
}

function stemOf(path: string): string {
  const stem = path
    .split('/')
    .at(-1)!
    .replace(/\.[^.]*$/, '');
  return stem
    .replace(/[^\w-]+/g, '-')
    .replace(/^[-_]+|[-_]+$/g, '')
    .toLowerCase();
}
