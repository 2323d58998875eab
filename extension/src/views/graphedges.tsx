/** The edges: nobody clicks on them, so that the graph need not know them one by one. */

import { ViewportPortal } from '@xyflow/react';
import { memo, useMemo } from 'react';
import type { IGraph } from '../model/graph';
import { pathThrough, type ILayout } from '../model/layout';

export const GraphEdges = memo(function GraphEdges(props: {
  graph: IGraph;
  layout: ILayout;
  showPath: boolean;
}): JSX.Element {
  const { graph, layout, showPath } = props;
  const key = graph.edges.map(edge => `${edge.id}${edge.critical}`).join('\n');
  const paths = useMemo(
    () =>
      graph.edges.map(({ id, critical }) => {
        const route = layout.routes.get(id);
        return (
          route && (
            <path
              key={id}
              className={showPath && critical ? 'mn-mod-critical' : undefined}
              d={pathThrough(route)}
            />
          )
        );
      }),
    [key, layout, showPath]
  );
  return (
    <ViewportPortal>
      <svg className="mn-Edges" aria-hidden="true">
        {paths}
      </svg>
    </ViewportPortal>
  );
});
