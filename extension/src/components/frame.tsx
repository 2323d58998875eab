/** What every view stands in: which project, its toolbar, and what to do where there is none. */

import { refreshIcon } from '@jupyterlab/ui-components';
import { useEffect, type ReactNode } from 'react';
import { CommandIDs } from '../tokens';
import { usePanel, useProject, useSnapshot, useTrans } from './context';
import { Button, Failure, Loading, Notice } from './states';
import { TerminalButton } from './terminal';
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
            {trans.__('Start a project')}
          </Button>
          <TerminalButton />
        </>
      }
    >
      <p>
        {trans.__(
          'A project is a folder with a pipeline.yaml and the notebooks that it names. Start one with three notebooks to try things out, or turn a long notebook into a pipeline in a terminal:'
        )}
      </p>
      <pre>mlops-nb convert analysis.ipynb</pre>
    </Notice>
  );
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
