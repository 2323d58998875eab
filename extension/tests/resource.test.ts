import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Resource } from '../src/model/resource';
import { ApiError } from '../src/request';

describe('a value of a server that is away', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('comes by itself when the server is back, and is asked for ever more rarely', async () => {
    let away = true;
    const load = vi.fn(async () => {
      if (away) {
        throw new ApiError('offline', 'Failed to fetch');
      }
      return 'here';
    });
    const resource = new Resource<string>(load);
    await resource.refresh();
    expect(resource.snapshot.error?.kind).toBe('offline');
    await vi.advanceTimersByTimeAsync(60_000);
    const asked = load.mock.calls.length;
    expect(asked).toBeGreaterThan(4);
    expect(asked).toBeLessThan(12);
    away = false;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(resource.snapshot).toMatchObject({ value: 'here', error: null });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(load).toHaveBeenCalledTimes(asked + 1);
  });

  it.each(['wrong', 'no-server', 'broken'] as const)(
    'is not asked for again where it is %s',
    async kind => {
      const load = vi.fn(async () => {
        throw new ApiError(kind, 'no');
      });
      const resource = new Resource(load);
      await resource.refresh();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(load).toHaveBeenCalledOnce();
    }
  );

  it('is forgotten with its view', async () => {
    const load = vi.fn(async () => {
      throw new ApiError('offline', 'Failed to fetch');
    });
    const resource = new Resource(load);
    await resource.refresh();
    resource.dispose();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(load).toHaveBeenCalledOnce();
  });
});
