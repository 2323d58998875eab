/** Lays graphs out, large ones in a worker; equal shapes are laid out once, so that nothing jumps. */

import type { IGraph } from './graph';
import { layOut, type ILayout, type IShape } from './layout';

/** Graphs of more nodes than this take longer than a frame or two. */
const LARGE = 30;
const KEPT = 8;

type Laid = Pick<IGraph, 'nodes' | 'edges' | 'shape'>;

const known = new Map<string, ILayout>();
const waiting = new Map<string, Promise<ILayout>>();

interface IAnswer {
  readonly resolve: (layout: ILayout) => void;
  readonly reject: (error: unknown) => void;
}
const asked = new Map<string, IAnswer>();
let worker: Worker | null | undefined;

/** Return a layout that is known already, or quickly made. */
export function placed(graph: Laid): ILayout | null {
  const before = known.get(graph.shape);
  if (before || graph.nodes.length > LARGE) {
    return before ?? null;
  }
  return keep(graph.shape, layOut(bare(graph)));
}

/** Lay a graph out without holding up the page. */
export function place(graph: Laid): Promise<ILayout> {
  const { shape } = graph;
  const before = waiting.get(shape);
  if (before) {
    return before;
  }
  const made = elsewhere(shape, bare(graph)).then(layout => keep(shape, layout));
  waiting.set(shape, made);
  return made.finally(() => waiting.delete(shape));
}

/** What the layout depends on, and a worker can be sent. */
function bare({ nodes, edges }: Laid): IShape {
  return {
    nodes: nodes.map(({ id }) => ({ id })),
    edges: edges.map(({ id, source, target }) => ({ id, source, target }))
  };
}

async function elsewhere(shape: string, graph: IShape): Promise<ILayout> {
  worker ??= begin();
  const aside = worker;
  if (aside) {
    try {
      return await new Promise<ILayout>((resolve, reject) => {
        asked.set(shape, { resolve, reject });
        aside.postMessage({ shape, graph });
      });
    } catch {
      // Its script did not load, as where a page's policy forbids workers: better slow than not at all.
      worker = null;
    }
  }
  return layOut(graph);
}

/** Start the worker; `null` where there are none, or where this page may have none. */
function begin(): Worker | null {
  if (typeof Worker === 'undefined') {
    return null;
  }
  let made: Worker;
  try {
    made = new Worker(new URL('./layoutworker.js', import.meta.url));
  } catch {
    return null; // JupyterLab's files come from another origin
  }
  made.onmessage = ({ data }: MessageEvent<{ shape: string; layout: ILayout }>) => {
    asked.get(data.shape)?.resolve(data.layout);
    asked.delete(data.shape);
  };
  made.onerror = error => {
    asked.forEach(one => one.reject(error));
    asked.clear();
  };
  return made;
}

function keep(shape: string, layout: ILayout): ILayout {
  if (known.size >= KEPT) {
    known.delete(known.keys().next().value!);
  }
  known.set(shape, layout);
  return layout;
}
