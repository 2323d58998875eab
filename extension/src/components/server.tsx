/** Values of the server that one view shows: loaded with it, and again when something changed. */

import { useEffect, useMemo } from 'react';
import type { PanelEvent } from '../api';
import type { ProjectModel } from '../model/panel';
import { Resource, type ISnapshot } from '../model/resource';
import { useProject, useSnapshot } from './context';
import { useLoad } from './frame';

export interface IServed<T> {
  readonly snapshot: ISnapshot<T>;
  readonly value: T | null;
  refresh(): Promise<void>;
}

/**
 * Load a value of the chosen project while a view stands.
 *
 * `deps` are what `load` uses beside the project; `on` the kinds of events after which it is loaded
 * again. With `runs` it is loaded again also when a run ends: tasks register models and record windows.
 */
export function useServer<T>(
  load: (project: ProjectModel, signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  options: { on?: readonly PanelEvent['kind'][]; runs?: boolean } = {}
): IServed<T> {
  const project = useProject();
  const resource = useMemo(
    () => new Resource<T>(signal => load(project, signal)),
    [project, ...deps]
  );
  useEffect(() => {
    const refresh = () => void resource.refresh();
    const hear = (_: unknown, event: PanelEvent) => {
      if (options.on?.includes(event.kind)) {
        refresh();
      }
    };
    project.told.connect(hear);
    if (options.runs) {
      project.feed.turned.connect(refresh);
    }
    return () => {
      project.told.disconnect(hear);
      project.feed.turned.disconnect(refresh);
      resource.dispose();
    };
  }, [resource]);
  useLoad(() => resource.refresh(), [resource]);
  const snapshot = useSnapshot(resource);
  return { snapshot, value: snapshot.value, refresh: () => resource.refresh() };
}
