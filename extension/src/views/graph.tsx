/** The graph: pans, zooms and is walked by keys; draws only what can be seen. */

import {
  getViewportForBounds,
  MiniMap,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
  type NodeTypes
} from '@xyflow/react';
import {
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type MouseEvent
} from 'react';
import { useTrans } from '../components/context';
import { Loading } from '../components/states';
import { lookOf } from '../components/status';
import type { IGraph, IGraphNode } from '../model/graph';
import { NODE, neighbour, type ILayout } from '../model/layout';
import { place, placed } from '../model/placing';
import { GraphEdges } from './graphedges';
import { FarContext, GraphNode, type FlowNode } from './graphnode';

/** More nodes than this get a map of the whole. */
const MAP_ABOVE = 40;
/** Below this zoom a node's small print cannot be read, and is not drawn. */
const FAR = 0.4;
const ZOOMS = { least: 0.05, most: 2, fit: 1 };
const PADDING = 0.08;
/** Nodes drawn anew in one frame: five hundred at once would hold up the page. */
const SLICE = 100;
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
  const trans = useTrans();
  const layout = useLayout(props.graph);
  if (!layout) {
    return (
      <div className="mn-Graph">
        <Loading what={trans.__('Drawing %1 tasks…', props.graph.nodes.length)} />
      </div>
    );
  }
  return (
    <ReactFlowProvider>
      <Flow {...props} layout={layout} />
    </ReactFlowProvider>
  );
}

/** Where the nodes stand; while that of a new shape is worked out, where they stood before. */
function useLayout(graph: IGraph): ILayout | null {
  const [made, setMade] = useState<ILayout | null>(null);
  const ready = useMemo(() => placed(graph), [graph.shape, made]);
  useEffect(() => {
    let isGone = false;
    if (!ready) {
      void place(graph).then(layout => !isGone && setMade(layout));
    }
    return () => {
      isGone = true;
    };
  }, [graph.shape, ready]);
  return ready ?? made;
}

function Flow(props: IGraphProps & { layout: ILayout }): JSX.Element {
  const trans = useTrans();
  const { graph, layout, onChoose, onOpen, onReady } = props;
  const flow = useReactFlow();
  const box = useRef<HTMLDivElement>(null);
  const { places } = layout;
  const all = useNodes(props, layout);
  const count = useGrowing(all.length);
  const nodes = useMemo(() => all.slice(0, count), [all, count]);
  const isFar = useStore(state => state.transform[2] < FAR);

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
  const fit = useCallback(() => {
    const { clientWidth, clientHeight } = box.current!;
    const bounds = { x: 0, y: 0, width: layout.width, height: layout.height };
    void flow.setViewport(
      getViewportForBounds(
        bounds,
        clientWidth,
        clientHeight,
        ZOOMS.least,
        ZOOMS.fit,
        PADDING
      )
    );
  }, [flow, layout]);
  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (!isMoved.current && box.current?.clientWidth) {
        fit();
      }
    });
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, [fit]);
  useEffect(() => {
    onReady?.({
      fit: () => {
        isMoved.current = false;
        fit();
      },
      zoom: by => void (by > 0 ? flow.zoomIn() : flow.zoomOut()),
      reveal
    });
  }, [flow, fit, reveal, onReady]);

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
    <div
      className={`mn-Graph${isFar ? ' mn-mod-far' : ''}`}
      ref={box}
      onKeyDown={onKeyDown}
    >
      <FarContext.Provider value={isFar}>
        <ReactFlow
          nodes={nodes}
          nodeTypes={NODE_TYPES}
          onMove={event => {
            isMoved.current ||= event !== null;
          }}
          onNodeClick={(_: MouseEvent, node) => onChoose(node.id)}
          onNodeDoubleClick={(_: MouseEvent, node) => onOpen((node as FlowNode).data.node)}
          onPaneClick={() => onChoose('')}
          minZoom={ZOOMS.least}
          maxZoom={ZOOMS.most}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          zoomOnDoubleClick={false}
          onlyRenderVisibleElements={graph.nodes.length > MAP_ABOVE}
          proOptions={{ hideAttribution: true }}
          aria-label={trans.__('Pipeline graph')}
        >
          <GraphEdges graph={graph} layout={layout} showPath={props.showPath} />
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
      </FarContext.Provider>
    </div>
  );
}

/** How many of these are drawn by now: some more in each frame. */
function useGrowing(all: number): number {
  const [count, setCount] = useState(SLICE);
  useEffect(() => {
    if (count < all) {
      const frame = requestAnimationFrame(() => setCount(count + SLICE));
      return () => cancelAnimationFrame(frame);
    }
    return undefined;
  }, [count, all]);
  return count;
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
    const shown = graph.nodes.filter(node => layout.places.has(node.id));
    const next = shown.map((node): FlowNode => {
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
