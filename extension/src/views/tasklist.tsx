/** The pipeline as a list: the same states as the graph, for who reads or listens line by line. */

import { useTrans } from '../components/context';
import { detailText, standingText } from '../components/standing';
import { lookOf, Mark } from '../components/status';
import { Hit } from '../components/table';
import type { IGraph, IGraphNode } from '../model/graph';
import { isHit } from './graph';

export function TaskList(props: {
  graph: IGraph;
  chosen: string;
  query: string;
  onChoose: (id: string) => void;
  onOpen: (node: IGraphNode) => void;
}): JSX.Element {
  const trans = useTrans();
  const wanted = props.query.trim().toLowerCase();
  const nodes = props.graph.nodes.filter(node => !wanted || isHit(node, wanted));
  return (
    <ol className="mn-List mn-TaskList" aria-label={trans.__('Tasks')}>
      {nodes.map(node => (
        <li key={node.id}>
          <button
            type="button"
            aria-pressed={node.id === props.chosen}
            title={detailText(node, trans)}
            onClick={() => props.onChoose(node.id)}
            onDoubleClick={() => props.onOpen(node)}
          >
            <Mark glyph={lookOf(node.state).glyph} tone={lookOf(node.state).tone}>
              <Hit text={node.name} query={props.query.trim()} />
            </Mark>
            <span className="mn-quiet mn-TaskList-state">{standingText(node, trans)}</span>
          </button>
        </li>
      ))}
      {!nodes.length && (
        <li className="mn-quiet mn-pad">
          {wanted ? trans.__('No task matches.') : trans.__('There are no tasks yet.')}
        </li>
      )}
    </ol>
  );
}
