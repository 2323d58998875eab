/** Opens views in the main area, tells them apart, and brings them back after a reload. */

import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import type { JSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { IPanel } from '../components/context';
import { CommandIDs, EXTENSION } from '../tokens';
import { VIEWS } from '../views';
import type { IView } from '../views/view';
import { ViewWidget } from '../views/widget';

type Main = MainAreaWidget<ViewWidget>;

/** The opened views. */
export class Shell {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly panel: IPanel
  ) {}

  readonly tracker = new WidgetTracker<Main>({ namespace: EXTENSION });

  /** Have the views of the last session opened again. */
  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: CommandIDs.open,
      args: main => ({
        view: main.content.view.id,
        args: main.content.args.snapshot,
        project: this.panel.model.project.path
      }),
      name: main => main.id
    });
  }

  /** Open a view, or go to it where it is open. */
  open(id: string, args: JSONObject = {}): Main | null {
    const view = VIEWS.find(one => one.id === id);
    if (!view) {
      return null;
    }
    const widgetId = idOf(view, args);
    let main = this.tracker.find(one => one.id === widgetId) ?? null;
    if (main) {
      main.content.args.set(args);
    } else {
      main = this._make(view, args, widgetId);
      this.app.shell.add(main, 'main');
      void this.tracker.add(main);
    }
    this.app.shell.activateById(main.id);
    return main;
  }

  private _make(view: IView, args: JSONObject, id: string): Main {
    const { trans } = this.panel;
    const content = new ViewWidget(this.panel, view, args);
    const main = new MainAreaWidget({ content });
    main.id = id;
    main.title.icon = view.icon;
    main.title.closable = true;
    main.title.caption = view.caption(trans);
    main.toolbar.hide(); // each view draws its own
    const retitle = () => {
      main.title.label = view.title(trans, content.args.snapshot);
    };
    retitle();
    content.args.changed.connect(() => {
      retitle();
      void this.tracker.save(main);
    });
    return main;
  }
}

function idOf(view: IView, args: JSONObject): string {
  const key = view.key?.(args);
  return `${EXTENSION}-${view.id}${key ? `-${key.replace(/[^\w-]+/g, '_')}` : ''}`;
}

/** The arguments that a command was called with, as a view takes them. */
export function viewArgs(args: ReadonlyPartialJSONObject): JSONObject {
  const known = Object.entries(args).filter(
    ([name, value]) =>
      value !== undefined && !['isLauncher', 'isPalette', 'cwd'].includes(name)
  );
  return Object.fromEntries(known) as JSONObject;
}
