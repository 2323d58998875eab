/** What every view stands in: which project, its toolbar, and what to do where there is none. */

import { refreshIcon } from '@jupyterlab/ui-components';
import { useEffect, type ReactNode } from 'react';
import type { PipelineView } from '../api';
import { CommandIDs } from '../tokens';
import { usePanel, useProject, useSnapshot, useTrans } from './context';
import { Button, Failure, Loading, Notice } from './states';
import { Spacer, Toolbar, ToolButton } from './toolbar';

/** A view of a project. `children` is drawn only where there is one. */
export function Frame(props: {
  /** Names the toolbar. */
  label: string;
  toolbar?: ReactNode;
  onRefresh: () => void;
  children: ReactNode;
}): JSX.Element {
  const trans = useTrans();
  const { model } = usePanel();
  const projects = useSnapshot(model.projects);
  const found = projects.value?.projects;
  let content = props.children;
  if (!found) {
    content = projects.error ? (
      <Failure error={projects.error} onRetry={() => void model.load()} />
    ) : (
      <Loading what={trans.__('Looking for projects…')} />
    );
  } else if (!found.length) {
    content = <NoProject />;
  }
  return (
    <div className="mn-Frame">
      <Toolbar label={props.label}>
        <ProjectPicker />
        {found?.length ? props.toolbar : null}
        <Spacer />
        <ToolButton
          icon={refreshIcon}
          label={trans.__('Refresh')}
          onClick={() => {
            void model.projects.refresh();
            props.onRefresh();
          }}
        />
      </Toolbar>
      <div className="mn-Frame-body">{content}</div>
    </div>
  );
}

/** Chooses among the projects below the server's root; nothing to choose from one. */
function ProjectPicker(): JSX.Element | null {
  const trans = useTrans();
  const { model } = usePanel();
  const project = useProject();
  const found = useSnapshot(model.projects).value?.projects ?? [];
  if (found.length < 2) {
    return null;
  }
  return (
    <select
      className="mn-Select"
      aria-label={trans.__('Project')}
      value={project.path}
      onChange={event => model.select(event.target.value)}
    >
      {found.map(one => (
        <option key={one.path} value={one.path}>
          {one.path ? `${one.name} (${one.path})` : one.name}
        </option>
      ))}
    </select>
  );
}

/** No project below the server's root: offers to start one. */
export function NoProject(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  return (
    <Notice
      title={trans.__('No pipeline here yet')}
      actions={
        <>
          <Button primary onClick={() => void commands.execute(CommandIDs.initProject)}>
            {trans.__('Start a project…')}
          </Button>
          <ConvertButton />
        </>
      }
    >
      <p>
        {trans.__(
          'A project is a folder with a pipeline.yaml and the notebooks that it names. Start one with three notebooks to try things out, or make a pipeline of a notebook that you have.'
        )}
      </p>
    </Notice>
  );
}

/** The project's pipeline is empty: offers to put a notebook into it. */
export function NoTasks(props: { spec: string }): JSX.Element {
  const trans = useTrans();
  return (
    <Notice
      title={trans.__('The pipeline has no tasks yet')}
      actions={<ConvertButton primary />}
    >
      {trans.__(
        'Convert a notebook into its first task. An open notebook has “Add to Pipeline” in its toolbar; or name one in %1.',
        props.spec
      )}
    </Notice>
  );
}

/** The way to make a task of a notebook; missing where documents cannot be opened. */
function ConvertButton(props: { primary?: boolean }): JSX.Element | null {
  const trans = useTrans();
  const { commands } = usePanel();
  return commands.hasCommand(CommandIDs.convert) ? (
    <Button
      primary={props.primary}
      onClick={() => void commands.execute(CommandIDs.convert)}
    >
      {trans.__('Convert a notebook…')}
    </Button>
  ) : null;
}

/**
 * Load something when a view appears, and again when it becomes another thing. Nothing is asked for
 * where there is no project to ask about.
 */
export function useLoad(refresh: () => Promise<void>, deps: readonly unknown[]): void {
  const { model } = usePanel();
  const any = (useSnapshot(model.projects).value?.projects.length ?? 0) > 0;
  useEffect(() => {
    if (any) {
      void refresh();
    }
    // The caller says what it depends on.
  }, [...deps, any]);
}

/** The project's pipeline, which is asked for where nobody did yet; `null` until it is there. */
export function usePipeline(): PipelineView | null {
  const { pipeline } = useProject();
  useLoad(async () => {
    if (!pipeline.value) {
      await pipeline.refresh();
    }
  }, [pipeline]);
  return useSnapshot(pipeline).value;
}
