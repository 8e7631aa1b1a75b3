"""The role by which the orchestrator enters another account: what it has to be, and the command that makes it so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TargetRole:
    """The role's name, and the orchestrator that it has to trust: its account, stack and Region."""

    name: str
    has_external_id: bool
    trusted_account: str
    trusted_stack: str
    region: str

    def remedy(self, account_id: str) -> str:
        """How an account that can't be entered is opened. The external id stays out of every answer and log."""
        external_id = "the orchestrator's TargetExternalId"
        if not self.has_external_id:
            external_id += ", which it has to be deployed with first"
        return (
            f"Create the role there, PROFILE being one of account {account_id} and EXTERNAL_ID {external_id}: "
            f"aws cloudformation deploy --template-file target-account.yaml --stack-name {self.trusted_stack}-target "
            f"--region {self.region} --capabilities CAPABILITY_NAMED_IAM --parameter-overrides "
            f"OrchestratorAccountId={self.trusted_account} OrchestratorStackName={self.trusted_stack} "
            f"TargetRoleName={self.name} ExternalId=EXTERNAL_ID --profile PROFILE"
        )
