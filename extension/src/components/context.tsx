/** What every view is given: the server, the model, the texts, the commands, its own arguments. */

import type { CommandRegistry } from '@lumino/commands';
import type { JSONObject, JSONValue } from '@lumino/coreutils';
import {
  createContext,
  useCallback,
  useContext,
  useSyncExternalStore,
  type ReactNode
} from 'react';
import type { PanelModel, ProjectModel } from '../model/panel';
import type { IReadable } from '../model/resource';
import type { Trans } from '../tokens';

export interface IPanel {
  readonly model: PanelModel;
  readonly commands: CommandRegistry;
  readonly trans: Trans;
}

/** What a view remembers over a reload of the page. */
export type ViewArgs = IReadable<JSONObject> & { set(args: JSONObject): void };

const PanelContext = createContext<IPanel | null>(null);
const ArgsContext = createContext<ViewArgs | null>(null);

export function PanelProvider(props: {
  panel: IPanel;
  args?: ViewArgs;
  children: ReactNode;
}): JSX.Element {
  return (
    <PanelContext.Provider value={props.panel}>
      <ArgsContext.Provider value={props.args ?? null}>
        {props.children}
      </ArgsContext.Provider>
    </PanelContext.Provider>
  );
}

export function usePanel(): IPanel {
  const panel = useContext(PanelContext);
  if (!panel) {
    throw new Error('a view stands outside of PanelProvider');
  }
  return panel;
}

export function useTrans(): Trans {
  return usePanel().trans;
}

/** Return the chosen project; renders anew when another is chosen. */
export function useProject(): ProjectModel {
  return useSnapshot(usePanel().model);
}

/** Return a model's snapshot, and render anew whenever it changes. */
export function useSnapshot<T>(readable: IReadable<T>): T {
  const subscribe = useCallback(
    (notify: () => void) => {
      readable.changed.connect(notify);
      return () => {
        readable.changed.disconnect(notify);
      };
    },
    [readable]
  );
  return useSyncExternalStore(subscribe, () => readable.snapshot);
}

const NOTHING: IReadable<JSONObject> = {
  snapshot: {},
  changed: { connect: () => true, disconnect: () => true }
};

/** Like `useState`, for what a view remembers over a reload: a filter, what is chosen. */
export function useArg<T extends JSONValue>(
  name: string,
  initial: T
): [T, (value: T) => void] {
  const args = useContext(ArgsContext);
  const all = useSnapshot(args ?? NOTHING);
  const set = useCallback((value: T) => args?.set({ [name]: value }), [args, name]);
  return [(all[name] as T | undefined) ?? initial, set];
}
