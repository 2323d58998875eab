/** A value that the server holds: loaded, reloaded, and told about by a signal. */

import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { ApiError } from '../request';

/** How a value stands; a new object whenever something changed. */
export interface ISnapshot<T> {
  /** The last value that was loaded; `null` before the first. */
  readonly value: T | null;
  /** Why the last attempt failed; the value beside it is older. */
  readonly error: ApiError | null;
  readonly loading: boolean;
}

/** What views read: a snapshot, and a signal that a new one is there. */
export interface IReadable<T> {
  readonly snapshot: T;
  readonly changed: ISignal<unknown, void>;
}

/** Milliseconds until a server that did not answer is asked again; each wait is longer. */
const FIRST = 2_000;
const LONGEST = 15_000;

/** One value of the server. */
export class Resource<T> implements IReadable<ISnapshot<T>>, IDisposable {
  constructor(private readonly load: (signal: AbortSignal) => Promise<T>) {}

  get snapshot(): ISnapshot<T> {
    return this._snapshot;
  }

  get value(): T | null {
    return this._snapshot.value;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  /**
   * Load the value. A call while one is under way loads once more after it, however many call:
   * what was changed meanwhile must be seen, and ten events must not make ten requests.
   */
  refresh(): Promise<void> {
    if (this._current) {
      this._next ??= this._current.then(() => {
        this._next = null;
        return this._start();
      });
      return this._next;
    }
    return this._start();
  }

  /** Put a value that came another way: from an event, or with the answer to a change. */
  set(value: T): void {
    this._emit({ value, error: null, loading: this._snapshot.loading });
  }

  dispose(): void {
    if (!this.isDisposed) {
      clearTimeout(this._retry);
      this._abort.abort();
      Signal.clearData(this);
    }
  }

  private _start(): Promise<void> {
    this._current = this._load().finally(() => {
      this._current = null;
    });
    return this._current;
  }

  private async _load(): Promise<void> {
    if (this.isDisposed) {
      return;
    }
    clearTimeout(this._retry);
    this._emit({ ...this._snapshot, loading: true });
    let next: ISnapshot<T>;
    try {
      next = { value: await this.load(this._abort.signal), error: null, loading: false };
    } catch (error) {
      next = { value: this._snapshot.value, error: asApiError(error), loading: false };
    }
    if (this.isDisposed) {
      return;
    }
    if (next.error?.kind === 'offline') {
      this._retry = setTimeout(() => void this.refresh(), this._wait);
      this._wait = Math.min(LONGEST, this._wait * 1.5);
    } else {
      this._wait = FIRST;
    }
    this._emit(next);
  }

  private _emit(next: ISnapshot<T>): void {
    this._snapshot = next;
    this._changed.emit();
  }

  private readonly _abort = new AbortController();
  private readonly _changed = new Signal<this, void>(this);
  private _snapshot: ISnapshot<T> = { value: null, error: null, loading: false };
  private _current: Promise<void> | null = null;
  private _retry: ReturnType<typeof setTimeout> | undefined;
  private _wait = FIRST;
  private _next: Promise<void> | null = null;
}

/** Return any thrown thing as an error that views can show. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) {
    return error;
  }
  return new ApiError('broken', String((error as Error)?.message ?? error));
}
