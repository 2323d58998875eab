/** The one way to the server part: typed by the OpenAPI file, errors that say how to mend them. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import createClient, { type Client } from 'openapi-fetch';
import type { ErrorView, paths } from './api';
import { API_PATH } from './tokens';

/** Why a request brought nothing. */
export type FailureKind =
  | 'offline' // the Jupyter server does not answer
  | 'no-server' // it answers, and has no part of ours
  | 'refused' // not logged in, or not allowed
  | 'missing' // no such thing
  | 'conflict' // something else was first, or is going on
  | 'wrong' // the request or the project is wrong; says how to mend it
  | 'broken'; // a fault of the server part

/** A failed request. */
export class ApiError extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly where = '',
    readonly fix = '',
    readonly status = 0,
    /** The class of the error in Python: `ProjectError`, `ConflictError` ... */
    readonly origin: string = ''
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export type Api = Client<paths>;

/** Return the client of a Jupyter server's part of ours. */
export function makeApi(settings = ServerConnection.makeSettings()): Api {
  return createClient<paths>({
    baseUrl: settings.baseUrl.replace(/\/+$/, ''),
    fetch: request => send(request, settings)
  });
}

/** Fill a body's fields that have defaults on the server's side. */
export function body<T>(fields: Partial<T>): T {
  return fields as T;
}

/** Return what an answer brought; a refusal was thrown before. */
export async function got<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

/** The address of a file of a project, for pages and downloads. */
export function fileUrl(baseUrl: string, project: string, path: string): string {
  const url = URLExt.join(baseUrl, API_PATH, 'files', URLExt.encodeParts(path));
  return url + URLExt.objectToQueryString({ project });
}

async function send(
  request: Request,
  settings: ServerConnection.ISettings
): Promise<Response> {
  const init: RequestInit = { method: request.method, signal: request.signal };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    init.body = (await request.text()) || '{}';
    init.headers = { 'Content-Type': 'application/json' };
  }
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(request.url, init, settings);
  } catch (error) {
    throw new ApiError('offline', String((error as Error).message ?? error));
  }
  if (!response.ok) {
    throw await failure(response);
  }
  return response;
}

/** Turn a refusal into an error. */
export async function failure(response: Response): Promise<ApiError> {
  let view: Partial<ErrorView> | undefined;
  try {
    view = (await response.json())?.error;
  } catch {
    // A proxy's or Jupyter's own page: no JSON, the status says it all.
  }
  const ours = typeof view?.message === 'string' ? view : null;
  const status = response.status;
  return new ApiError(
    kindOf(status, ours !== null),
    ours?.message || response.statusText || `HTTP ${status}`,
    ours?.where ?? '',
    ours?.fix ?? '',
    status,
    ours?.kind ?? ''
  );
}

function kindOf(status: number, ours: boolean): FailureKind {
  if (status === 401 || status === 403) {
    return 'refused';
  }
  if (status === 404) {
    return ours ? 'missing' : 'no-server';
  }
  if (status === 409) {
    return 'conflict';
  }
  if (status >= 502 && status <= 504 && !ours) {
    return 'offline';
  }
  return status >= 500 ? 'broken' : 'wrong';
}
