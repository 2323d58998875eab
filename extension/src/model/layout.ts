/** Says where the nodes and edges of a graph stand. */

import { Graph, layout } from '@dagrejs/dagre';

/** The size of every node, pixels at zoom 1. */
export const NODE = { width: 220, height: 70 } as const;

export interface IPlace {
  readonly x: number;
  readonly y: number;
  /** Layers from the top, from 0. */
  readonly rank: number;
}

export interface IPoint {
  readonly x: number;
  readonly y: number;
}

/** Where everything stands. */
export interface ILayout {
  /** Of the whole, from the origin. */
  readonly width: number;
  readonly height: number;
  /** The top left corner of each node. */
  readonly places: ReadonlyMap<string, IPlace>;
  /** What each edge passes on its way around other nodes, its ends among it. */
  readonly routes: ReadonlyMap<string, readonly IPoint[]>;
}

/** What a layout depends on. */
export interface IShape {
  readonly nodes: readonly { readonly id: string }[];
  readonly edges: readonly {
    readonly id: string;
    readonly source: string;
    readonly target: string;
  }[];
}

const MANY = 150;

/** Return where everything stands, layer by layer from top to bottom. */
export function layOut(graph: IShape): ILayout {
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
  const routes = new Map(
    graph.edges.map(edge => {
      const { points } = dag.edge(edge.source, edge.target) as { points: IPoint[] };
      return [edge.id, around(points, places.get(edge.source)!, places.get(edge.target)!)];
    })
  );
  const { width = 0, height = 0 } = dag.graph() as { width?: number; height?: number };
  return { width, height, places, routes };
}

/** An edge from the bottom of its source to the top of its target, past what lies between. */
function around(points: readonly IPoint[], source: IPlace, target: IPlace): IPoint[] {
  return [
    { x: source.x + NODE.width / 2, y: source.y + NODE.height },
    ...points.slice(1, -1).filter((_, index) => points.length > 3 || index > 0),
    { x: target.x + NODE.width / 2, y: target.y }
  ];
}

/** The path through the points as an SVG path: straight down at each, round in between. */
export function pathThrough(points: readonly IPoint[]): string {
  let path = `M${points[0].x},${points[0].y}`;
  for (let at = 1; at < points.length; at++) {
    const [a, b] = [points[at - 1], points[at]];
    const half = (a.y + b.y) / 2;
    path += ` C${a.x},${half} ${b.x},${half} ${b.x},${b.y}`;
  }
  return path;
}

/** Where an arrow key leads from a node: along edges up and down, within a layer left and right. */
export function neighbour(
  graph: Pick<IShape, 'edges'>,
  { places }: ILayout,
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
