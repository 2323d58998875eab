/** The questions about models that several views ask. */

import type { History, ModelList, PanelEvent, VersionList } from '../api';
import { useServer, type IServed } from '../components/server';
import { got } from '../request';

/** After which events what is known of models is old. */
export const MODEL_EVENTS: readonly PanelEvent['kind'][] = ['models.changed'];

export function useModels(): IServed<ModelList> {
  return useServer(
    (project, signal) =>
      got(
        project.api.GET('/mlops-nb/v1/models', {
          params: { query: { project: project.path } },
          signal
        })
      ),
    [],
    { on: MODEL_EVENTS, runs: true }
  );
}

export function useVersions(model: string): IServed<VersionList> {
  return useServer(
    async (project, signal) =>
      model
        ? got(
            project.api.GET('/mlops-nb/v1/models/{model}/versions', {
              params: { path: { model }, query: { project: project.path } },
              signal
            })
          )
        : { model, versions: [] },
    [model],
    { on: MODEL_EVENTS, runs: true }
  );
}

export function useHistory(model: string): IServed<History> {
  return useServer(
    async (project, signal) =>
      model
        ? got(
            project.api.GET('/mlops-nb/v1/models/{model}/history', {
              params: { path: { model }, query: { project: project.path } },
              signal
            })
          )
        : { model, entries: [] },
    [model],
    { on: MODEL_EVENTS, runs: true }
  );
}
