/** The graph: pans, zooms and is walked by keys; draws only what can be seen. */

import {
  BaseEdge,
  MiniMap,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  type Edge,
  type EdgeProps,
  type EdgeTypes,
  type NodeTypes
} from '@xyflow/react';
import {
  useCallback,
  useEffect,
  useMemo,
  useRef,
  type KeyboardEvent,
  type MouseEvent
} from 'react';
import { useTrans } from '../components/context';
import { lookOf } from '../components/status';
import type { IGraph, IGraphNode } from '../model/graph';
import { layOut, NODE, neighbour, pathThrough, type ILayout } from '../model/layout';
import { GraphNode, type FlowNode } from './graphnode';

/** More nodes than this get a map of the whole. */
const MAP_ABOVE = 40;
const FIT = { padding: 0.08, maxZoom: 1 };
const NODE_TYPES: NodeTypes = { task: GraphNode };

export interface IGraphProps {
  readonly graph: IGraph;
  readonly chosen: string;
  readonly query: string;
  readonly showPath: boolean;
  readonly onChoose: (id: string) => void;
  readonly onOpen: (node: IGraphNode) => void;
  /** Given what fits the whole into view, and what goes to a node. */
  readonly onReady?: (view: IGraphView) => void;
}

/** What a toolbar can do with the picture. */
export interface IGraphView {
  fit(): void;
  zoom(by: 1 | -1): void;
  reveal(id: string): void;
}

export function Graph(props: IGraphProps): JSX.Element {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow(props: IGraphProps): JSX.Element {
  const trans = useTrans();
  const { graph, onChoose, onOpen, onReady } = props;
  const flow = useReactFlow();
  const box = useRef<HTMLDivElement>(null);
  const layout = useMemo(() => layOut(graph), [graph.shape]);
  const { places } = layout;
  const nodes = useNodes(props, layout);
  const edges = useEdges(graph, layout, props.showPath);

  const reveal = useCallback(
    (id: string) => {
      const place = places.get(id);
      if (place) {
        isMoved.current = true;
        const zoom = Math.max(flow.getZoom(), 0.6);
        void flow.setCenter(place.x + NODE.width / 2, place.y + NODE.height / 2, { zoom });
      }
    },
    [flow, places]
  );
  // Until someone moves it, the picture fits its place also when a panel opens beside it.
  const isMoved = useRef(false);
  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (!isMoved.current) {
        requestAnimationFrame(() => void flow.fitView(FIT));
      }
    });
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, [flow]);
  useEffect(() => {
    onReady?.({
      fit: () => {
        isMoved.current = false;
        void flow.fitView(FIT);
      },
      zoom: by => void (by > 0 ? flow.zoomIn() : flow.zoomOut()),
      reveal
    });
  }, [flow, reveal, onReady]);

  /** Give the focus to a node; it may have to be drawn first. */
  const focus = (id: string, tries = 10): void => {
    const node = box.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`);
    if (node) {
      node.focus({ preventScroll: true });
    } else if (tries) {
      requestAnimationFrame(() => focus(id, tries - 1));
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const id = (event.target as HTMLElement).dataset.node;
    const node = graph.nodes.find(one => one.id === id);
    if (!node || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === 'Enter') {
      onOpen(node);
    } else if (event.key === ' ') {
      onChoose(node.id);
    } else {
      const next = neighbour(graph, layout, node.id, event.key);
      if (!next) {
        return;
      }
      onChoose(next);
      const seen = box.current?.querySelector(`[data-node="${CSS.escape(next)}"]`);
      if (!seen || !isInside(seen, box.current!)) {
        reveal(next);
      }
      focus(next);
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className="mn-Graph" ref={box} onKeyDown={onKeyDown}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        onMove={event => {
          isMoved.current ||= event !== null;
        }}
        onNodeClick={(_: MouseEvent, node) => onChoose(node.id)}
        onNodeDoubleClick={(_: MouseEvent, node) => onOpen((node as FlowNode).data.node)}
        onPaneClick={() => onChoose('')}
        fitView
        fitViewOptions={FIT}
        minZoom={0.05}
        maxZoom={2}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        disableKeyboardA11y
        zoomOnDoubleClick={false}
        onlyRenderVisibleElements={graph.nodes.length > MAP_ABOVE}
        proOptions={{ hideAttribution: true }}
        aria-label={trans.__('Pipeline graph')}
      >
        {graph.nodes.length > MAP_ABOVE && (
          <MiniMap
            pannable
            zoomable
            ariaLabel={trans.__('Map of the pipeline')}
            nodeClassName={node =>
              `mn-tone-${lookOf((node as FlowNode).data.node.state).tone}`
            }
          />
        )}
      </ReactFlow>
    </div>
  );
}

/** Nodes keep their identity while nothing of them changes, so that few are drawn anew. */
function useNodes(props: IGraphProps, layout: ILayout): FlowNode[] {
  const { graph, chosen, query, showPath } = props;
  const before = useRef(new Map<string, FlowNode>());
  return useMemo(() => {
    const wanted = query.trim().toLowerCase();
    const current = graph.nodes.some(node => node.id === chosen)
      ? chosen
      : graph.nodes[0]?.id;
    const next = graph.nodes.map((node): FlowNode => {
      const { x, y } = layout.places.get(node.id)!;
      const data = {
        node,
        isCurrent: node.id === current,
        isChosen: node.id === chosen,
        isDim: wanted !== '' && !isHit(node, wanted),
        showPath
      };
      const old = before.current.get(node.id);
      if (old && old.position.x === x && old.position.y === y && same(old.data, data)) {
        return old;
      }
      return { id: node.id, type: 'task', position: { x, y }, data, ...NODE };
    });
    before.current = new Map(next.map(node => [node.id, node]));
    return next;
  }, [graph, layout, chosen, query, showPath]);
}

/** An edge on its way around the nodes between its ends. */
function RoutedEdge(props: EdgeProps<RouteEdge>): JSX.Element {
  return <BaseEdge id={props.id} path={props.data!.path} />;
}

type RouteEdge = Edge<{ path: string }, 'routed'>;
const EDGE_TYPES: EdgeTypes = { routed: RoutedEdge };

function useEdges(graph: IGraph, layout: ILayout, showPath: boolean): RouteEdge[] {
  const key = graph.edges.map(edge => `${edge.id}${edge.critical}`).join('\n');
  return useMemo(
    () =>
      graph.edges.map(edge => ({
        id: edge.id,
        type: 'routed',
        data: { path: pathThrough(layout.routes.get(edge.id)!) },
        source: edge.source,
        target: edge.target,
        className: showPath && edge.critical ? 'mn-mod-critical' : undefined,
        focusable: false
      })),
    [key, layout, showPath]
  );
}

/** Whether a search finds the node, by its name or one of its grid's. */
export function isHit(node: IGraphNode, wanted: string): boolean {
  return [node.name, ...node.tasks].some(name => name.toLowerCase().includes(wanted));
}

function same(a: FlowNode['data'], b: FlowNode['data']): boolean {
  const flags = ['isCurrent', 'isChosen', 'isDim', 'showPath'] as const;
  if (flags.some(flag => a[flag] !== b[flag])) {
    return false;
  }
  const names = Object.keys(a.node) as (keyof IGraphNode)[];
  return names.every(name =>
    name === 'tasks'
      ? a.node.tasks.join('\n') === b.node.tasks.join('\n')
      : a.node[name] === b.node[name]
  );
}

function isInside(node: Element, box: Element): boolean {
  const [inner, outer] = [node.getBoundingClientRect(), box.getBoundingClientRect()];
  return (
    inner.left >= outer.left &&
    inner.right <= outer.right &&
    inner.top >= outer.top &&
    inner.bottom <= outer.bottom
  );
}
