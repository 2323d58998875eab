/** How a node of the graph stands, in words. */

import type { IGraphNode } from '../model/graph';
import type { Trans } from '../tokens';
import { duration } from './format';
import { statusText } from './status';

/** The state in words, with the cell it is in or failed in, or how many of a grid are done. */
export function standingText(node: IGraphNode, trans: Trans): string {
  const state = statusText(node.state, trans);
  if (node.folded) {
    return trans.__('%1, %2 of %3 done', state, node.done, node.total);
  }
  if (node.cell !== null) {
    return trans.__('%1 in cell %2', state, node.cell + 1);
  }
  if (node.state === 'running' && node.total) {
    return trans.__('cell %1 of %2', Math.min(node.done + 1, node.total), node.total);
  }
  return state;
}

/** The second line: why it would run or failed; what it took, where there is nothing to say. */
export function detailText(node: IGraphNode, trans: Trans): string {
  if (node.why) {
    return node.state === 'stale' ? trans.__('because %1', node.why) : node.why;
  }
  const took = duration(node.seconds);
  if (!took || node.state === 'running' || node.state === 'outside') {
    return '';
  }
  return node.folded ? trans.__('took %1 together', took) : trans.__('took %1', took);
}

/** All of it for a screen reader. */
export function spokenText(node: IGraphNode, trans: Trans): string {
  return [
    node.folded ? trans.__('grid %1 of %2 tasks', node.name, node.tasks.length) : node.name,
    standingText(node, trans),
    node.why && detailText(node, trans),
    node.critical ? trans.__('on the critical path') : ''
  ]
    .filter(Boolean)
    .join(', ');
}
