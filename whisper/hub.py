"""Put a model on the Hugging Face Hub, for oneself alone unless one says otherwise.

    hub.push(folder, "me/whisper-small-sv")       needs HF_TOKEN, or `hf auth login`

Only files that differ from those on the hub are sent, and when none does there is no commit; this
is what `upload_folder` does by comparing their hashes.
"""

from __future__ import annotations

from pathlib import Path

from fti.errors import UserError
from fti.models import MANIFEST


def push(folder: Path, name: str, *, private: bool = True, message: str = "") -> str:
    """Put the files of a model's folder on the hub as `name` (OWNER/NAME); give their address.

    A repository that is new is private; one that is there stays as visible as it was. Raises
    UserError, one sentence, where there is no token, or the hub refuses or does not answer.
    """
    from httpx2 import HTTPError  # which the hub's client speaks through
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    token = get_token()
    if token is None:
        raise UserError(
            f"--push-to-hub {name}: there is no token: set HF_TOKEN to one that may write, or run"
            " `hf auth login`."
        )
    api = HfApi(token=token)
    try:
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            ignore_patterns=[MANIFEST],
            commit_message=message or "Train the model anew",
        )
    except HFValidationError as error:
        raise UserError(f"--push-to-hub {name}: call it OWNER/NAME.") from error
    except HfHubHTTPError as error:
        said = " ".join((error.server_message or "no reason given").split())
        raise UserError(
            f"--push-to-hub {name}: the hub refuses ({error.response.status_code}: {said})."
        ) from error
    except (HTTPError, OSError) as error:
        raise UserError(f"--push-to-hub {name}: the hub cannot be reached ({error}).") from error
    except RuntimeError as error:  # of uploads of large files
        reason = error.__cause__ or error
        raise UserError(f"--push-to-hub {name}: the hub did not take all ({reason}).") from error
    return f"{api.endpoint}/{name}"
