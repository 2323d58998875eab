/** A schedule that is being written: what was typed, and when it would be due. */

import type { IDisposable } from '@lumino/disposable';
import { Debouncer } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type {
  AddSchedule,
  ParameterView,
  PipelineView,
  PreviewSchedule,
  ScheduleTimes,
  ScheduleView
} from '../api';
import { body, got, type ApiError } from '../request';
import type { ProjectModel } from './panel';
import { asApiError, type IReadable } from './resource';
import { ownZone } from './timetable';

/** What a schedule runs. */
export type Scope = 'pipeline' | 'task' | 'notebook';

export interface IFields {
  readonly name: string;
  readonly when: string;
  readonly timezone: string;
  readonly scope: Scope;
  readonly task: string;
  readonly notebook: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface IDraft {
  readonly fields: IFields;
  /** When it would be due; `null` where nothing was typed or it is being worked out. */
  readonly times: ScheduleTimes | null;
  readonly asking: boolean;
  /** What is wrong with the time or the zone. */
  readonly wrong: ApiError | null;
  readonly adding: boolean;
  /** Why it was not added. */
  readonly refused: ApiError | null;
}

/** Coming times that the form shows. */
const SHOWN = 5;

/** A new schedule; each change of the time has the next times worked out anew. */
export class ScheduleDraft implements IReadable<IDraft>, IDisposable {
  constructor(
    private readonly project: ProjectModel,
    notebook = '',
    /** Milliseconds without a change before the times are asked for. */
    wait = 300
  ) {
    this._debouncer = new Debouncer(() => this._ask(), wait);
    this._state = {
      fields: {
        name: stemOf(notebook),
        when: '',
        timezone: ownZone(),
        scope: notebook ? 'notebook' : 'pipeline',
        task: '',
        notebook,
        parameters: {}
      },
      times: null,
      asking: false,
      wrong: null,
      adding: false,
      refused: null
    };
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
    const { fields, wrong, adding } = this._state;
    return (
      !adding &&
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

  /** Add the schedule; returns it, or `null` where the server refused it and said why. */
  async add(parameters: readonly ParameterView[]): Promise<ScheduleView | null> {
    const { fields } = this._state;
    const known = new Set(parameters.map(one => one.name));
    const given = Object.entries(fields.parameters).filter(([name]) => known.has(name));
    this._emit({ ...this._state, adding: true, refused: null });
    try {
      const added = await got(
        this.project.api.POST('/mlops-nb/v1/schedules', {
          params: { query: { project: this.project.path } },
          body: body<AddSchedule>({
            name: fields.name.trim(),
            when: fields.when.trim(),
            timezone: fields.timezone.trim(),
            ...(fields.scope === 'task' && { tasks: [fields.task] }),
            ...(fields.scope === 'notebook' && { notebooks: [fields.notebook] }),
            ...(given.length && { parameters: Object.fromEntries(given) })
          })
        })
      );
      this._emit({ ...this._state, adding: false });
      return added;
    } catch (error) {
      this._emit({ ...this._state, adding: false, refused: asApiError(error) });
      return null;
    }
  }

  dispose(): void {
    this._debouncer.dispose();
    Signal.clearData(this);
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
export function parametersOf(pipeline: PipelineView, fields: IFields): ParameterView[] {
  if (fields.scope === 'pipeline') {
    return pipeline.parameters;
  }
  const reached = new Set<string>();
  const waiting = pipeline.tasks
    .filter(task =>
      fields.scope === 'task' ? task.name === fields.task : task.source === fields.notebook
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
