"""Plots about events: getting lost, strange noises, fears, rescues, races and surprises."""

from __future__ import annotations

from tinygpt.corpora.stories.plot import Plot
from tinygpt.corpora.stories.words import FOODS, TOYS

_FEARS = (
    ("the dark", "they came to a long and narrow tunnel", "The dark is only the day with its eyes closed",
     "there was a light at the other end, round as a coin"),
    ("thunder", "a big storm came up over the hills", "Thunder is only the clouds bumping their heads",
     "it sounded almost like a great drum"),
    ("deep water", "the ball fell into the lake", "Water will carry you if you let it",
     "it was soft and cool and held {him} up"),
    ("high places", "the way home led over the high bridge", "Look at the other side and not at your feet",
     "one could see the whole valley from up there"),
    ("the big dog at the corner", "the way to {place} led past the corner", "He barks because he is lonely",
     "the dog only wanted to be scratched behind the ears"),
    ("the cellar", "somebody had to fetch potatoes", "The cellar is full of jam, not of monsters",
     "it smelled of apples, and there was nothing else there"),
    ("the old mill", "the wind blew the hat right up to its door", "An old mill is only a tired house",
     "there were five small kittens inside"),
    ("spiders", "a spider came down on a thread right in front of {him}",
     "She is more afraid of you than you are of her", "her web shone like silver in the sun"),
)  # fmt: skip

_LOST_ONES = (
    ("duckling", "the pond behind the mill", "a brown duck was calling and calling"),
    ("lamb", "the high field", "a white sheep was running up and down"),
    ("kitten", "the red barn", "a striped cat was looking behind every sack"),
    ("chick", "the hen house", "a fat hen was counting her children"),
    ("baby bird", "the nest in the elm tree", "two small birds were flying in circles"),
    ("puppy", "the house with the blue gate", "a big shaggy dog was sniffing along the fence"),
    ("fawn", "the edge of the forest", "a deer was standing with her ears up"),
    ("baby owl", "the hollow beech", "a big owl was looking down with round eyes"),
    ("foal", "the field beside the road", "a brown mare was waiting at the gate"),
    ("piglet", "the farmyard", "a mother pig was grunting sadly"),
)

_STUCK = (
    ("a small goat", "stuck in the mud", "pulled with a long rope",
     "The goat shook itself, and everybody was brown from top to toe"),
    ("a young cat", "stuck at the top of a tall tree", "leaned a ladder against the tree",
     "The cat came down and purred like a mill"),
    ("a baby bird", "tangled in an old net", "opened the knots one by one",
     "The bird flew once around their heads and was gone"),
    ("a hedgehog", "stuck in an empty jar", "pulled gently, one at each end", "The hedgehog rolled out with a pop"),
    ("a sheep", "caught in a thorn bush", "cut the thorns away",
     "The sheep had a very strange haircut, but it was free"),
    ("a turtle", "lying on its back", "pushed together on one side",
     "The turtle said thank you, slowly, as turtles do"),
    ("an old donkey", "stuck in the gate", "pushed from behind and called from in front",
     "The donkey went through and brayed for joy"),
    ("a bee", "swimming in the rain barrel", "held out a long leaf",
     "The bee dried its wings in the sun and hummed away"),
    ("a mole", "trapped under a fallen branch", "lifted the branch with a pole",
     "The mole blinked and shook hands with everybody"),
)  # fmt: skip

_NOISES = (
    ("a tapping", "tap, tap, tap", "a branch that was knocking at the window", "tied it back"),
    ("a scratching", "scritch, scratch", "a little hedgehog looking for a warm place", "gave it a box of leaves"),
    ("a howling", "whoo, whoo", "the wind in the old chimney", "put a stone in the crack"),
    ("a dripping", "drip, drop, drip", "a hole in the roof", "put a bucket under it"),
    ("a rustling", "rish, rush, rish", "a mouse in a paper bag", "let it out into the garden"),
    ("a humming", "mmm, mmm, mmm", "a beetle in the lamp", "carried it outside"),
    ("a creaking", "creak, creak", "the garden gate in the wind", "closed it properly"),
    ("a clinking", "cling, clang", "two spoons on a string that danced in the wind", "took one of them down"),
    ("a croaking", "croak, croak", "a frog that was sitting in the bath", "took it back to the pond"),
    ("a snoring", "rrr, rrr, rrr", "a fat cat asleep in the cupboard", "gave it a cushion"),
)

_LURES = (
    "a blue butterfly", "a white rabbit with a torn ear", "a trail of red berries",
    "a yellow leaf that danced in the wind", "a tiny green bird", "a line of marching ants",
    "a fluffy seed that flew like a feather", "the sound of a far bell", "a dragonfly with silver wings",
    "a row of strange footprints",
)  # fmt: skip

_SIGNS = (
    ("the moss on the trees", "Moss grows on the side where the north is"),
    ("the stream", "Follow the water, and it will take you down to the village"),
    ("the evening star", "The evening star stands over our roof"),
    ("the smoke of the chimneys", "Where there is smoke, there is a warm stove"),
    ("the sound of the bell", "Stand still and listen before you walk"),
    ("the crumbs on the path", "If you leave something behind you, you can find the way back"),
    ("the tall pine", "From the tall pine you can see the whole valley"),
    ("{his} own footprints", "Every foot leaves a mark that leads home"),
)

_RACES = (
    "a running race", "a boat race", "a sack race", "a race to the old oak and back", "a race around the lake",
    "a race up the hill", "a cart race",
)  # fmt: skip

_INDOOR = (
    ("a ship", "the table was the ship and the blanket was the sail", "an island with a treasure"),
    ("a castle", "three chairs were the towers and a rug was the wall", "a dragon that only wanted to be friends"),
    ("a train", "every chair was a carriage and a pot was the whistle", "a city made of cake"),
    ("a circus", "a rope on the floor was the high wire", "a lion that was afraid of its own roar"),
    ("a shop", "buttons were the money and the bench was the counter", "a customer who wanted to buy the moon"),
    ("a balloon", "the basket was a washing basket", "a cloud where the birds went to school"),
    ("a theatre", "two sheets were the curtain", "a king who had lost his crown in the soup"),
    ("a submarine", "the space under the stairs was the deep sea", "a whale that could tell jokes"),
)

ADVENTURES = (
    Plot(
        name="being afraid",
        title="[{hero} is brave|{hero} and {fear}|not afraid any more|a brave {kind_noun}]",
        slots={"fear event advice better": _FEARS},
        seasons=("spring", "summer"),
        text="""
            <opening> There was only one thing that {he} was afraid of, and that was {fear}. [Nobody knew about it.|{He}
            never talked about it.|Just the thought of it made {his} knees shake.]

            {Day}, {hero} was out with {friend}, {a_friend}. <sky> [They had played all day.|They were on their way to
            {place}.] Then {event}. {Hero} [stood still|did not move]. ["Are you coming?" asked {friend}.|"What is it?"
            asked {friend}.] ["I cannot,"|"You go ahead,"] said {hero} in a small voice. "I am afraid of {fear}."

            {Friend} did not laugh at {him}. "[Everybody is afraid of something|I am afraid of loud noises]," {fhe}
            said. "{Your_helper} once told me something. '{Advice},' {hhe} said. [It helped me|I often think of that].
            Give me your {hand}."

            {Hero} took {friend}'s {hand}. {His} heart went bump, bump, bump. {He} [took one small step, and then
            another|closed {his} eyes and opened them again]. "{Advice}," {he} said to {himself}. {He} said it [three
            times|again and again]. And when {he} was there at last, {better}. ["Oh!" said {hero}. "Is that all?"|"It is
            not so bad at all," said {hero}.]

            {Hero} was still a little afraid, but it was a small fear now[, no bigger than a mouse|]. ["You were very
            brave,"|"That was brave,"] said {friend}. ["But I was afraid the whole time,"|"I was shaking all over,"]
            said {hero}. "[That is what being brave means|One can only be brave when one is afraid]," said {friend}.
            <glad>

            That evening {hero} told {helper} about it. {Helper} [nodded|was proud of {him}]. <close>
        """,
    ),
    Plot(
        name="bringing a little one home",
        title="[the lost {baby}|{hero} finds a@ {baby}|a@ {baby} goes home|{hero} and the {baby}]",
        slots={"baby where mother": _LOST_ONES, "food": FOODS},
        seasons=("spring", "summer", "autumn"),
        text="""
            <opening>

            {Day}, {hero} heard a tiny sound near {place}. [It was not the wind, and it was not a bell.|"Who is there?"
            {he} asked.] {He} looked [behind a stone|under a bush|into the tall grass], and there sat a small {baby}. It
            was [wet and cold|trembling|all alone]. "[Where is my mother?|I want my mother!]" it said. ["You poor
            thing!" said {hero}.|{Hero} knelt down beside it.]

            {Hero} [wrapped it in {his} scarf|held it close until it was warm] and gave it [a little water|a bit of
            {food}]. "[Do not be afraid|Do not cry]," {he} said. "I will take you home. Where do you live?" But the
            {baby} was so small that it [did not know|could not say]. <sky>

            <meet> ["Have you seen this {baby}'s mother?" asked {hero}.|"This {baby} is lost," said {hero}.] {Friend}
            thought for a moment. "[I am not sure|No]," {fhe} said, "but {your_helper} knows everybody. Let us ask
            {hhim}." So the three of them went to {helper}. "[You must look|Little ones like this one live] near
            {where}," said {helper}. "It is not far."

            They walked and walked. <on_the_way> <on_the_way> The {baby} [fell asleep in {hero}'s arms|looked around
            with big eyes]. When they came to {where}, {mother}. ["Mama!" cried the {baby}.|The {baby} gave a cry of
            joy.] In a moment the two were together again. They [rubbed noses|could not stop looking at each other|made
            happy little sounds].

            ["Thank you for bringing my little one back,"|"You have a good heart,"] said the mother. "[Come and visit us
            whenever you like|You will always be welcome here]." {Hero} was happy, and also a little sad. ["You can
            visit it tomorrow,"|"We will come back soon,"] said {friend}. And [so they did|that is what they did].
            <close>
        """,
    ),
    Plot(
        name="a rescue",
        title="[{hero} to the rescue|help for {stuck}|{hero} and {friend} save the day|pull!]",
        slots={"stuck how method result": _STUCK, "food": FOODS},
        seasons=("spring", "summer", "autumn"),
        text="""
            <opening>

            {Day}, {hero} and {his} friend {friend}, {a_friend}, were on their way to {place}. <sky> <on_the_way>
            Suddenly they heard somebody call for help. ["Did you hear that?" asked {friend}.|"Listen!" said {hero}.]
            They [ran|hurried] to see what it was. It was {stuck}, {how}!

            ["Help!"|"Please help me!"|"I cannot get out!"] cried the poor thing. {Hero} tried to help at once, but {he}
            was [not strong enough|too small]. {Friend} tried too, but it [was no use|did not work]. ["What shall we
            do?" said {friend}.|"We must think," said {friend}.]

            ["I will fetch {helper}!"|"{Helper_call} will know what to do!"] said {hero}, and {he} ran as fast as {he}
            could. {Friend} stayed and said, "[Do not be afraid. Help is coming|We will not leave you alone]." {Hero}
            ran [over the bridge and through the gate|through the grass and around the corner]. {He} was out of breath
            when {he} found {helper}. ["Come quickly!" {he} said.|"Somebody needs our help!" {he} said.]

            {Helper} came at once. "[All together now|One, two, three]!" {hhe} said. They {method}. [Nothing happened at
            first.|It was hard work.] They tried [again|once more], with all their strength. And then it was done!
            {Result}. <glad>

            ["How can I ever thank you?"|"You saved me!"] asked the one they had saved. ["Just be careful next
            time,"|"You would have done the same for us,"] said {hero}. {Helper} gave everybody some {food}. "[None of
            us could have done it alone|Today you two were heroes]," said {helper}. <close>
        """,
    ),
    Plot(
        name="a noise at night",
        title="[the noise in the night|{noise} in the night|who is there?|{hero} hears a noise]",
        slots={"noise sound cause deed": _NOISES},
        text="""
            <opening>

            One {season} evening {friend}, {a_friend}, came to stay for the night. [They told each other stories until
            it was late.|They ate supper and played until bedtime.|They talked in the dark for a long time.] Then they
            lay down to sleep. It was [dark and quiet|very quiet]. Suddenly there was {noise}: {sound}.

            ["What was that?" whispered {friend}.|"Did you hear that?" whispered {hero}.] They listened. There it was
            again: {sound}. ["Perhaps it is a monster,"|"Perhaps it is a ghost,"|"It must be a giant,"] said {friend},
            and {fhe} pulled the blanket over {fhis} head. {Hero}'s heart [beat fast|was beating like a drum].

            "[There are no monsters here|Let us go and look]," said {hero}, but {his} voice shook a little. {He} took
            the lamp. {Friend} did not want to stay alone, so {fhe} came along and held on to {hero}'s [sleeve|arm].
            They [crept|walked on their toes] through the dark {house}. {Sound}! Now it was quite close. {Sound}!

            {Hero} [opened the door|lifted the lamp] and looked. And then {he} began to laugh. It was only {cause}!
            ["That is our monster!" said {hero}.|"Look at that!" said {hero}.] {Friend} [laughed too|came closer and
            laughed until {fhe} had to sit down]. They {deed}, and then it was quiet again.

            ["I was not afraid at all," said {friend}. "Not at all?" asked {hero}. "Well, only a little," said
            {friend}.|"I knew it was nothing," said {friend}. "Then why did you hide under the blanket?" asked {hero}.
            "I was cold," said {friend}.|"Were you afraid?" asked {friend}. "A little," said {hero}. "And you?" "Only
            until you laughed," said {friend}.] They went back to bed. In the morning they told {helper} about it. "[The
            night makes everything bigger|Fear has big eyes]," said {helper}. <close>
        """,
    ),
    Plot(
        name="lost on the way",
        title="[{hero} gets lost|the way home|{hero} follows {lure}|far from home]",
        slots={"lure": _LURES, "sign advice": _SIGNS, "food": FOODS},
        seasons=("spring", "summer", "autumn"),
        text="""
            <opening> "[Do not go too far|Stay on the path]," {helper} always said. "And if you are ever lost, remember
            this: {advice}."

            {Day}, {hero} saw {lure}. {He} had never seen anything like it. {He} followed it past {place}, and then
            [over a fence|through a gap in the hedge], and then [a little further|up the hill], and then just a little
            further still. <sky> {He} did not look back once.

            When {he} stopped, [it was gone|there was nothing left to follow]. {Hero} looked around. All the trees
            looked the same. There was no path. ["Hello!" {he} called.|"Is anybody there?" {he} called.] Only the echo
            answered. It was getting [dark|late|cold]. <sad>

            Then {he} heard a voice. "[Are you lost too|Who is there]?" It was {friend}, {a_friend}, who was sitting on
            a stump. "[I have been walking in circles|I cannot find my way home]," said {friend}. They were both glad
            not to be alone. {Hero} shared some {food} with {fhim}, and they felt a little better.

            ["What would {helper_call} say now?" {hero} wondered.|"Let me think," said {hero}.] "I know! {Advice}." They
            looked for {sign}, and there it was. [Step by step|Side by side], they went on through the [dark|cold] wood.
            They [fell over roots|got scratched by thorns|had to rest twice], but they did not give up.

            And then they saw a light. It was {helper} with a lantern! ["There you are!"|"At last!"|"I have been looking
            for you everywhere!"] {hhe} called. {Hero} ran into {hhis} arms. ["I remembered what you said,"|"I will stay
            on the path from now on,"] said {hero}. There was {food} for both of them, and {friend} was taken home too.
            <close>
        """,
    ),
    Plot(
        name="the race",
        title="[{race}|{hero} and the race|who wins?|the day of the race]",
        slots={"race": _RACES, "toy noun": TOYS, "food": FOODS},
        seasons=("spring", "summer", "autumn"),
        text="""
            <opening>

            {Day}, there was {race}, and everybody came. The prize was a@ {toy}. "[I want to win that {noun}|That {noun}
            will be mine]," said {hero}. {He} had practised every day for [two weeks|a month]. {His} friend {friend},
            {a_friend}, was in the race as well. "[I only want to get to the end|I do not care who wins]," said
            {friend}.

            <sky> {Helper} counted: "One, two, three, go!" {Hero} [shot away like an arrow|was the first to start]. {He}
            was fast. Soon {he} was [far ahead|in front of all the others]. Only {friend} was close behind {him}. "[I am
            going to win|Nobody can catch me now]!" thought {hero}.

            Then {he} heard a cry. {Friend} had fallen and [hurt {fhis} knee|could not get up]. {Hero} looked ahead.
            There was the end, and there was the {noun}. {He} looked back. There sat {friend}, all alone. [It was a hard
            choice.|What should {he} do?] Then {hero} turned around.

            ["Does it hurt?" asked {hero}.|"Lean on me," said {hero}.] "[You must go on, or you will lose|Why did you
            stop? You were winning]!" said {friend}. "[A@ {noun} is only a@ {noun}|I can race again tomorrow]," said
            {hero}, "but I have only one {friend}." The others [ran past them|went by one after another]. The two
            friends came in last of all, arm in arm.

            But [everybody cheered|how everybody clapped]! {Helper} came up to them. "The winner has got the {toy},"
            {hhe} said, "[but I have something for you two|but there is a second prize, for the best friend]." And {hhe}
            gave them a whole basket of {food}. They shared it with all the others[, even with the winner|]. <glad>
            <close>
        """,
    ),
    Plot(
        name="a rainy day indoors",
        title="[a rainy day|{hero} and {friend} stay in|what shall we play?|the day it rained]",
        slots={"play rules goal": _INDOOR, "food": FOODS},
        seasons=("spring", "autumn"),
        text="""
            <opening>

            One {season} [morning|afternoon|day], {hero} wanted to go to {place}. But it [rained and rained|was
            pouring]. The rain ran down the window, and there was a lake in front of the {house}. ["This is a terrible
            day," said {hero}.|"There is nothing to do," said {hero}.] {He} [walked up and down|lay on the floor|counted
            the drops]. <sad>

            There was a knock at the door. It was {friend}, {a_friend}, and {fhe} was wet [from top to toe|to the skin].
            ["What are we going to play?" asked {friend}.|"I was bored at home," said {friend}.] ["We cannot play
            anything,"|"One can only play outside,"] said {hero}. "[Who says so|Are you sure]?" said {friend}. {Fhe}
            looked around. "I can see {play}. Can you?"

            {Hero} looked. At first {he} saw nothing. But then {he} [began to smile|saw it too]. It was {play}: {rules}!
            ["I will give the orders!" said {friend}.|"Everybody come in!" said {friend}.] ["And I will do the
            rest,"|"And I will look out for danger,"] said {hero}. They played and played, and what did they find in the
            end? It was {goal}!

            {Helper} came in and asked, "[What is all this noise|What are you two doing]?" "[Careful, you are standing
            on my hat|Come in quickly, there is room for one more]!" cried {hero}. {Helper} [laughed and sat down with
            them|joined in at once]. {Hhe} had brought some {food}, because adventures make one hungry.

            When {hero} looked out of the window again, the sun was shining. ["Look, the rain has stopped," said
            {hero}.|"Now we can go out," said {hero}.] "[In a minute|Later]," said {friend}. "[It is not over yet|First
            we have to finish this]." And so they went on playing until it was dark. <close>
        """,
    ),
    Plot(
        name="a surprise for a birthday",
        title="[{hero}'s birthday|the forgotten birthday|a surprise for {hero}]",
        slots={"toy noun": TOYS, "food": FOODS},
        text="""
            <opening>

            {Day}, {hero} woke up very early, for it was {his} birthday. {He} [jumped|hopped] out of bed. ["Today
            everybody will say happy birthday," {he} thought.|"I wonder what I will get," {he} thought.] <sky>

            First {he} saw {helper}. "[Good morning, {hero}|Hello, {hero}]," said {helper}. {Hero} waited. But {helper}
            only [went on sweeping|looked at the clock|hurried away]. Then {hero} went to {friend}, {a_friend}. ["Do you
            know what day it is?" asked {hero}.|"It is a special day today," said {hero}.] "[Is it Tuesday|Washing
            day]?" said {friend}. "I am sorry, I have [no time|so much to do] today."

            {Hero} went to {place} and sat down all alone. ["They have all forgotten it,"|"Nobody remembers my
            birthday,"] {he} thought. <sad> {He} stayed there [until noon|until {his} feet were cold|the whole
            afternoon]. Then {he} went slowly home. <on_the_way>

            The {house} was dark and quiet. {Hero} opened the door. "Surprise!" they all shouted. There was {helper},
            and there was {friend}, and everybody else was there too. There were [paper stars|lanterns|ribbons]
            everywhere, and on the table was {food} with candles.

            ["So you did not forget!" said {hero}.|"But I thought that you had forgotten," said {hero}.] "[Forget your
            birthday? Never!|How could we forget you?]" said {friend}. "We [needed time to get everything ready|had to
            keep it a secret, and that was the hardest part]." Then {fhe} gave {him} a present. It was a@ {toy}, [just
            the one that {he} had wished for|with {his} name on it]. <glad> They [sang|danced|played games] until the
            moon came up. <close>
        """,
    ),
)
