/** The worker's side of `placing`: lays out what it is sent. */

import { layOut, type IShape } from './layout';

export interface IAsked {
  readonly shape: string;
  readonly graph: IShape;
}

self.onmessage = (event: MessageEvent<IAsked>) => {
  const { shape, graph } = event.data;
  self.postMessage({ shape, layout: layOut(graph) });
};
