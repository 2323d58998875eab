/** Places the nodes of a graph; equal shapes are placed once, so that nothing jumps. */

import { Graph, layout } from '@dagrejs/dagre';
import type { IGraph } from './graph';

/** The size of every node, pixels at zoom 1. */
export const NODE = { width: 216, height: 58 } as const;

export interface IPlace {
  readonly x: number;
  readonly y: number;
  /** Layers from the top, from 0. */
  readonly rank: number;
}

export type Places = ReadonlyMap<string, IPlace>;

const MANY = 150;
const KEPT = 8;
const known = new Map<string, Places>();

/** Return the top left corner of each node, layer by layer from top to bottom. */
export function placeNodes(graph: Pick<IGraph, 'nodes' | 'edges' | 'shape'>): Places {
  const before = known.get(graph.shape);
  if (before) {
    return before;
  }
  const dag = new Graph();
  dag.setGraph({
    rankdir: 'TB',
    nodesep: 28,
    ranksep: 44,
    marginx: 16,
    marginy: 16,
    // The best ranker takes minutes for hundreds of nodes.
    ranker: graph.nodes.length > MANY ? 'longest-path' : 'network-simplex'
  });
  dag.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) {
    dag.setNode(node.id, { ...NODE });
  }
  for (const edge of graph.edges) {
    dag.setEdge(edge.source, edge.target);
  }
  layout(dag);
  const corners = graph.nodes.map(node => {
    const { x, y } = dag.node(node.id) as { x: number; y: number };
    return { id: node.id, x: x - NODE.width / 2, y: y - NODE.height / 2 };
  });
  const rows = [...new Set(corners.map(one => Math.round(one.y)))].sort((a, b) => a - b);
  const rank = new Map(rows.map((y, index) => [y, index]));
  const places = new Map(
    corners.map(({ id, x, y }) => [id, { x, y, rank: rank.get(Math.round(y))! }])
  );
  if (known.size >= KEPT) {
    known.delete(known.keys().next().value!);
  }
  known.set(graph.shape, places);
  return places;
}

/** Where an arrow key leads from a node: along edges up and down, within a layer left and right. */
export function neighbour(
  graph: Pick<IGraph, 'edges'>,
  places: Places,
  from: string,
  key: string
): string | null {
  const here = places.get(from);
  if (!here) {
    return null;
  }
  const near = (ids: string[]) =>
    ids.sort(
      (a, b) => Math.abs(places.get(a)!.x - here.x) - Math.abs(places.get(b)!.x - here.x)
    )[0];
  const row = () =>
    [...places]
      .filter(([, place]) => place.rank === here.rank)
      .sort((a, b) => a[1].x - b[1].x);
  switch (key) {
    case 'ArrowDown':
      return (
        near(graph.edges.filter(edge => edge.source === from).map(edge => edge.target)) ??
        null
      );
    case 'ArrowUp':
      return (
        near(graph.edges.filter(edge => edge.target === from).map(edge => edge.source)) ??
        null
      );
    case 'ArrowRight':
      return row().find(([, place]) => place.x > here.x)?.[0] ?? null;
    case 'ArrowLeft':
      return (
        row()
          .filter(([, place]) => place.x < here.x)
          .pop()?.[0] ?? null
      );
    case 'Home':
      return [...places].sort((a, b) => a[1].y - b[1].y || a[1].x - b[1].x)[0]?.[0] ?? null;
    case 'End':
      return [...places].sort((a, b) => b[1].y - a[1].y || b[1].x - a[1].x)[0]?.[0] ?? null;
    default:
      return null;
  }
}
