/** One node of the graph. */

import { Handle, Position, type Node, type NodeProps } from '@xyflow/react';
import { memo } from 'react';
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

export const GraphNode = memo(function GraphNode(props: NodeProps<FlowNode>): JSX.Element {
  const trans = useTrans();
  const { node, isCurrent, isChosen, isDim, showPath } = props.data;
  const look = lookOf(node.state);
  const isRunning = node.state === 'running';
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
      <Handle type="target" position={Position.Top} isConnectable={false} />
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
      <div className="mn-Node-detail">{detail}</div>
      {(isRunning || node.folded) && node.total > 0 && (
        <div className="mn-Node-progress">
          <div style={{ width: `${(100 * node.done) / node.total}%` }} />
        </div>
      )}
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  );
});
