import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

afterEach(cleanup);

// What JupyterLab's packages need of a browser and jsdom lacks.
Object.assign(globalThis, {
  CSS: globalThis.CSS ?? { escape: (text: string) => text.replace(/[^\w-]/g, '\\$&') },
  DragEvent: globalThis.DragEvent ?? class DragEvent extends Event {},
  ResizeObserver:
    globalThis.ResizeObserver ??
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    }
});

window.matchMedia ??= (media: string) =>
  ({
    media,
    matches: false,
    addListener() {},
    removeListener() {}
  }) as unknown as MediaQueryList;

// Lumino's React widgets draw when the browser is idle; jsdom never says so.
globalThis.requestIdleCallback ??= work =>
  setTimeout(() => work({ didTimeout: false, timeRemaining: () => 50 })) as never;
globalThis.cancelIdleCallback ??= id => clearTimeout(id);
