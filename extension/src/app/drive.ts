/** Shows files that Jupyter's own contents service hides: what runs left below `.mlops/`. */

import { PathExt } from '@jupyterlab/coreutils';
import { ServerConnection, type Contents } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { fileUrl } from '../request';
import type { PanelModel } from '../model/panel';

/** The drive's name: `mlops-nb-run:project/.mlops/runs/…/notebooks/train.ipynb`. */
export const RUN_DRIVE = 'mlops-nb-run';

/** A drive that can be read and nothing else. */
export class RunDrive implements Contents.IDrive {
  constructor(private readonly model: PanelModel) {}

  readonly name = RUN_DRIVE;
  readonly serverSettings = ServerConnection.makeSettings();

  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  async get(path: string, options?: Contents.IFetchOptions): Promise<Contents.IModel> {
    const name = PathExt.basename(path);
    if (options?.type === 'directory' || !PathExt.extname(path)) {
      return {
        ...facts(path),
        type: 'directory',
        format: 'json',
        mimetype: '',
        content: []
      };
    }
    const response = await ServerConnection.makeRequest(
      await this.getDownloadUrl(path),
      {},
      this.serverSettings
    );
    if (!response.ok) {
      throw new ServerConnection.ResponseError(response);
    }
    const isNotebook = name.endsWith('.ipynb');
    const content: unknown = isNotebook ? await response.json() : await response.text();
    return {
      ...facts(path),
      type: isNotebook ? 'notebook' : 'file',
      format: isNotebook ? 'json' : 'text',
      mimetype: isNotebook ? 'application/x-ipynb+json' : 'text/plain',
      content
    };
  }

  async getDownloadUrl(path: string): Promise<string> {
    const { baseUrl, projects } = this.model;
    // The longest project that the path lies in; a restored tab may be of another one.
    const known = (projects.value?.projects ?? [this.model.project]).map(one => one.path);
    const project =
      known
        .filter(one => !one || path.startsWith(`${one}/`))
        .sort((a, b) => b.length - a.length)[0] ?? '';
    return fileUrl(baseUrl, project, project ? path.slice(project.length + 1) : path);
  }

  async listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return [];
  }

  newUntitled(): Promise<Contents.IModel> {
    return refuse();
  }

  delete(): Promise<void> {
    return refuse();
  }

  rename(): Promise<Contents.IModel> {
    return refuse();
  }

  save(): Promise<Contents.IModel> {
    return refuse();
  }

  copy(): Promise<Contents.IModel> {
    return refuse();
  }

  createCheckpoint(): Promise<Contents.ICheckpointModel> {
    return refuse();
  }

  restoreCheckpoint(): Promise<void> {
    return refuse();
  }

  deleteCheckpoint(): Promise<void> {
    return refuse();
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private readonly _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
  private _isDisposed = false;
}

/** What every file of the drive has. Its folders are not listed: files are opened by their path. */
function facts(path: string) {
  const time = new Date().toISOString();
  const name = PathExt.basename(path);
  return { name, path, writable: false, created: time, last_modified: time };
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('What a run left behind cannot be changed.'));
}
