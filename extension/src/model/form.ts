/** The parameter form: what was typed, what it means, and what a run with it would do. */

import type { IDisposable } from '@lumino/disposable';
import { Debouncer } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type { ParameterView, PlanView } from '../api';
import type { ApiError } from '../request';
import type { ProjectModel } from './panel';
import { asApiError, type IReadable } from './resource';

export interface IFormState {
  /** What was typed, by the parameter's name; only what differs from the pipeline's own value. */
  readonly typed: Readonly<Record<string, unknown>>;
  /** What a run would do with it; `null` where nothing was typed or it is being worked out. */
  readonly plan: PlanView | null;
  readonly planning: boolean;
  /** What is wrong with what was typed; the server names parameter and type. */
  readonly error: ApiError | null;
}

const EMPTY: IFormState = { typed: {}, plan: null, planning: false, error: null };

/** What is asked for before the next run; each change has the plan worked out anew. */
export class FormModel implements IReadable<IFormState>, IDisposable {
  constructor(
    private readonly project: ProjectModel,
    /** Milliseconds without a change before the plan is asked for. */
    wait = 250
  ) {
    this._debouncer = new Debouncer(() => this._plan(), wait);
  }

  get snapshot(): IFormState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._debouncer.isDisposed;
  }

  /** Note what was typed; the pipeline's own value takes it back. */
  type(parameter: ParameterView, value: unknown): void {
    const typed = { ...this._state.typed };
    if (parameter.known && same(value, parameter.value)) {
      delete typed[parameter.name];
    } else {
      typed[parameter.name] = value;
    }
    this._begin(typed);
  }

  /** Take one parameter back, or all. */
  reset(name?: string): void {
    const typed = { ...this._state.typed };
    if (name === undefined) {
      this._begin({});
    } else {
      delete typed[name];
      this._begin(typed);
    }
  }

  /** Put the parameters of an earlier run. */
  put(typed: Readonly<Record<string, unknown>>): void {
    this._begin({ ...typed });
  }

  /** Ask again: the pipeline has changed. */
  refresh(): void {
    if (Object.keys(this._state.typed).length) {
      this._begin(this._state.typed);
    }
  }

  dispose(): void {
    this._debouncer.dispose();
    Signal.clearData(this);
  }

  private _begin(typed: IFormState['typed']): void {
    this._asked += 1;
    const any = Object.keys(typed).length > 0;
    this._emit(any ? { ...this._state, typed, planning: true, error: null } : EMPTY);
    if (any) {
      void this._debouncer.invoke();
    }
  }

  private async _plan(): Promise<void> {
    const asked = this._asked;
    const { typed } = this._state;
    if (!Object.keys(typed).length) {
      return;
    }
    let next: IFormState;
    try {
      const plan = await this.project.plan({ parameters: typed });
      next = { typed, plan, planning: false, error: null };
    } catch (error) {
      next = { typed, plan: null, planning: false, error: asApiError(error) };
    }
    if (asked === this._asked && !this.isDisposed) {
      this._emit(next);
    }
  }

  private _emit(state: IFormState): void {
    this._state = state;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _debouncer: Debouncer;
  private _state = EMPTY;
  private _asked = 0;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Parameters under the tasks that they reach, those of many tasks first. */
export function grouped(parameters: readonly ParameterView[]): [string, ParameterView[]][] {
  const groups = new Map<string, ParameterView[]>();
  for (const parameter of parameters) {
    const key = parameter.tasks.join(', ');
    groups.get(key)?.push(parameter) ?? groups.set(key, [parameter]);
  }
  return [...groups].sort((a, b) => b[1][0].tasks.length - a[1][0].tasks.length);
}
