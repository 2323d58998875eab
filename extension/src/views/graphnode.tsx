/** One node of the graph. */

import type { Node, NodeProps } from '@xyflow/react';
import { createContext, memo, useContext } from 'react';
import { Took } from '../components/clock';
import { useTrans } from '../components/context';
import { Glyph } from '../components/icons';
import { detailText, spokenText, standingText } from '../components/standing';
import { lookOf } from '../components/status';
import type { IGraphNode } from '../model/graph';

export interface INodeData extends Record<string, unknown> {
  readonly node: IGraphNode;
  /** The one that Tab goes to. */
  readonly isCurrent: boolean;
  readonly isChosen: boolean;
  /** Whether a search passes it over. */
  readonly isDim: boolean;
  readonly showPath: boolean;
}

export type FlowNode = Node<INodeData, 'task'>;

/** Whether the picture is seen from so far that only names and colours are drawn. */
export const FarContext = createContext(false);

export const GraphNode = memo(function GraphNode(props: NodeProps<FlowNode>): JSX.Element {
  const trans = useTrans();
  const isFar = useContext(FarContext);
  const { node, isCurrent, isChosen, isDim, showPath } = props.data;
  const look = lookOf(node.state);
  const names = [
    'mn-Node',
    `mn-tone-${look.tone}`,
    node.folded && 'mn-mod-folded',
    isChosen && 'mn-mod-chosen',
    isDim && 'mn-mod-dim',
    node.state === 'outside' && 'mn-mod-dim',
    showPath && node.critical && 'mn-mod-critical'
  ];
  const detail = detailText(node, trans);
  return (
    <div
      className={names.filter(Boolean).join(' ')}
      role="button"
      tabIndex={isCurrent ? 0 : -1}
      aria-label={spokenText(node, trans)}
      aria-pressed={isChosen}
      data-node={node.id}
      data-task={node.folded ? undefined : node.name}
      data-state={node.state}
      title={[node.name, standingText(node, trans), detail].filter(Boolean).join('\n')}
    >
      {isFar ? node.name : <Near node={node} detail={detail} />}
    </div>
  );
});

function Near(props: { node: IGraphNode; detail: string }): JSX.Element {
  const trans = useTrans();
  const { node } = props;
  const look = lookOf(node.state);
  const isRunning = node.state === 'running';
  return (
    <>
      <div className="mn-Node-head">
        <span className="mn-Node-name">{node.name}</span>
        {node.folded && <span className="mn-Node-count">×{node.tasks.length}</span>}
        {isRunning && (
          <span className="mn-Node-took">
            <Took started={node.started} seconds={null} running />
          </span>
        )}
      </div>
      <div className={`mn-Node-state mn-tone-${look.tone}`}>
        <Glyph name={look.glyph} />
        <span className="mn-Node-text">{standingText(node, trans)}</span>
      </div>
      <div className="mn-Node-detail">{props.detail}</div>
      {(isRunning || node.folded) && node.total > 0 && (
        <div className="mn-Node-progress">
          <div style={{ width: `${(100 * node.done) / node.total}%` }} />
        </div>
      )}
    </>
  );
}
