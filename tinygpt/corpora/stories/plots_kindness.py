"""Plots about other people: sharing, helping, telling the truth, making friends."""

from __future__ import annotations

from tinygpt.corpora.stories.plot import Plot
from tinygpt.corpora.stories.words import FOODS, TOYS

_BROKEN = (
    ("blue vase", "the flowers lay on the floor in a puddle"),
    ("best teapot", "the lid rolled under the chair"),
    ("big mirror", "a hundred little pieces lay on the floor"),
    ("clay jug", "the milk ran across the floor"),
    ("old clock", "it stopped in the middle of a tick"),
    ("glass bowl", "the cherries rolled into every corner"),
    ("painted plate", "it broke exactly in two"),
    ("brass lamp", "the shade was bent like an old hat"),
    ("garden gate", "it hung by a single nail"),
    ("window", "a cold wind blew in through the hole"),
)

_GAMES = (
    "hide and seek", "tag", "catch", "pirates", "leapfrog", "skittles", "knights and dragons", "follow the leader",
    "shop", "explorers",
)  # fmt: skip

_TROUBLES = (
    ("{friend} had a cold", "had to stay in bed", "hot tea with honey", "Three days later {friend} was well again."),
    ("{friend} had hurt a foot", "could not walk", "a bandage and a stool", "A week later {friend} could run again."),
    ("{friend} had a sore throat", "could only whisper", "warm milk with honey",
     "Two days later {friend} could sing again."),
    ("{friend} had the hiccups", "could not eat or sleep", "a glass of water",
     "On the third day the hiccups were gone."),
    ("{friend} had a toothache", "could not laugh", "a warm cloth for the cheek", "The next day the pain was gone."),
    ("{friend} had a fever", "had to lie still all day", "a cool cloth and fresh water",
     "Four days later the fever was gone."),
)  # fmt: skip

_MISSING = (
    ("eggs", "an egg or two", "six eggs in a basket"),
    ("flour", "a cup of flour", "a whole bag of flour"),
    ("honey", "a spoon of honey", "a jar of golden honey"),
    ("butter", "a little butter", "a piece of fresh butter"),
    ("milk", "a jug of milk", "a jug full to the brim"),
    ("sugar", "a cup of sugar", "a blue paper bag of sugar"),
    ("salt", "a pinch of salt", "a small box of salt"),
    ("nuts", "a handful of nuts", "a bowl of nuts"),
)

_TRADES = (
    ("bright feather", "a hungry goose", "a warm bun", "wanted something fine for a hat"),
    ("ball of string", "a sailor", "a big shell", "needed string for a torn sail"),
    ("empty jar", "a beekeeper", "some honey", "had more honey than jars"),
    ("smooth stick", "an old shepherd", "a piece of cheese", "had lost his walking stick in the snow"),
    ("piece of chalk", "a teacher", "a new pencil", "had nothing to write with on the board"),
    ("handful of nuts", "a squirrel", "a red leaf", "had forgotten where the winter food was"),
    ("old bell", "a farmer", "a bag of apples", "wanted to hear where his cow was"),
    ("candle", "a miller", "some flour", "could not see in the dark mill"),
)

_QUARRELS = (
    ("who was the faster of the two", "They ran to the tree and back, and they touched the bark at the same moment."),
    ("who was the taller of the two", "They stood back to back, and nobody could see any difference."),
    ("who had seen the first star", "They looked up, and by now there were a thousand of them."),
    ("who should sit in the front of the boat", "They took turns, and the boat did not mind at all."),
    ("whose turn it was to choose the game", "They put two names in a hat, and a leaf blew in and won."),
    ("what colour the sky was", "They looked up again, and it was blue and grey and gold all at once."),
    ("which path was the shorter one", "They each took one, and they met at the end without a step between them."),
    ("who had thought of it first", "Neither of them could remember any more, and that made them laugh."),
)

KINDNESS = (
    Plot(
        name="sharing a treat",
        title="[{hero} and the {food}|enough for two|{hero} learns to share|the last of the {food}]",
        slots={"food": FOODS},
        text="""
            <opening> [More than anything else, {he} liked {food}.|And {he} was always hungry.]

            {Day}, {helper} gave {hero} some {food}. It was [still warm|fresh from the oven|wrapped in a clean cloth],
            and it smelled [wonderful|so good that {his} nose twitched]. ["It is all mine,"|"I will eat every bit of it
            myself,"] thought {hero}. {He} took it to {place}, where nobody would see {him}. <sky>

            But somebody was there already. It was {friend}, {a_friend}. {Friend} looked at the {food}, and then {fhe}
            looked at the ground. ["That smells good,"|"Is that {food}?"] {fhe} said quietly. "[I have had nothing to
            eat today|I forgot my lunch|My lunch fell into the water]." {Hero} [held the {food} tighter|turned away].
            "There is not enough for two," {he} said.

            {Friend} [nodded and walked away|said nothing and left]. {Hero} took a bite. Strange! It did not taste as
            good as {he} had thought. {He} took another bite, and it [tasted of nothing at all|stuck in {his} throat].
            {He} could only think of {friend}'s [sad eyes|hungry face]. <sad>

            Then {he} jumped up and ran. ["Wait, {friend}!"|"{Friend}! Come back!"] {he} [called|shouted]. "[I was
            wrong. There is enough for two|I am sorry. Half of it is for you]." {Hero} broke the {food} in two and gave
            {friend} the bigger piece. ["Are you sure?" asked {friend}. "Quite sure," said {hero}.|{Friend}'s eyes grew
            round. "Thank you," {fhe} said.|"Is that all for me?" asked {friend}. "All for you," said {hero}.]

            They sat down side by side and ate. And now it was the best {food} in the world. ["It tastes better with
            you,"|"Things taste better when there are two,"] said {hero}. [The next day {friend} brought some berries
            and shared them with {hero}.|{Friend} laughed with {fhis} mouth full.] <close>
        """,
    ),
    Plot(
        name="telling the truth",
        title="[{hero} and the {broken}|the broken {broken}|{hero} tells the truth]",
        slots={"broken mess": _BROKEN, "game": _GAMES, "blamed": ("the wind", "the cat", "a bird", "a big dog")},
        text="""
            <opening>

            {Day}, {hero} and {friend}, {a_friend}, were playing {game} [indoors|too close to the {house}]. "[Be
            careful|Do not run so fast]!" said {friend}. But {hero} [did not listen|was too excited to hear]. There was
            a loud crash. {He} had run into {helper}'s {broken}, and {mess}. <sad>

            ["Oh no!"|"What have I done?"] whispered {hero}. "[What will {helper_call} say?|Now there will be trouble!]"
            {He} was so frightened that {he} hid [behind the curtain|under the table|behind the shed]. Soon {helper}
            came. "[Who did this|What happened here]?" {hhe} asked. {Hero} [came out and looked at {his} feet|felt {his}
            face grow hot]. "It was {blamed}," {he} said.

            {Helper} [looked at {him} for a while|only nodded] and began to clean up. {Hero} did not feel better. At
            supper {he} could not eat. In bed {he} could not sleep. The little lie [grew bigger and bigger|lay in {his}
            belly like a stone|would not let {him} close {his} eyes].

            [In the morning|At last] {he} went to {friend}. "What shall I do?" {he} asked. ["Tell the truth,"|"You know
            it already,"] said {friend}. "[I will come with you|It is hard for one minute, and then it is over]." So
            they went to {helper} together. "It was not {blamed}," said {hero}. "It was me. [I ran too fast|I did not
            listen], and I am very sorry."

            {Helper} [put an arm around {him}|knelt down beside {him}]. "[I knew it already|Thank you for telling me],"
            {hhe} said. "A@ {broken} can be mended. [What matters is that I can trust you|It was brave of you to say
            it]." <glad> That day the three of them [mended|repaired] it together[, and one could hardly see the
            crack|]. [{Hero} never told such a lie again.|And {hero} and {friend} played {game} outside.] <close>
        """,
    ),
    Plot(
        name="the new neighbour",
        title="[somebody new|{hero} makes a friend|the new neighbour|{friend} comes to {place}]",
        slots={"game": _GAMES, "toy noun": TOYS},
        text="""
            <opening> [But {he} had nobody to play with.|There was only one thing missing: a friend.]

            {Day}, somebody new came to live nearby. It was {friend}, {a_friend}. {Hero} saw {fhim} near {place}, all
            alone, with a@ {toy}. "[Shall I say hello|Shall I go and talk to {fhim}]?" {hero} thought. "[But what if
            {fhe} does not like me|But what should I say]?" And {he} went home again.

            <sky> The next day {friend} was there again, and again {fhe} was alone. {Hero} told {helper} about it.
            ["Perhaps {fhe} is just as shy as you are,"|"Somebody has to be the first to say hello,"|"A friend is only
            somebody you have not talked to yet,"] said {helper}.

            So on the third day {hero} [took a deep breath|counted to three] and went over. "Hello," {he} said. "My name
            is {hero}. [What a nice {noun}|I like your {noun}]." {Friend} [looked up|turned red] and smiled. "[I am
            {friend}|Hello, {hero}. I am {friend}]," {fhe} said. "I wanted to talk to you too, but I [did not dare|was
            too shy|did not know how]." They both laughed.

            "Do you know how to play {game}?" asked {hero}. "[No, but I would like to learn it|It is my favourite
            game]," said {friend}. They played {game} [all afternoon|until they were hungry|until it was dark], and then
            {friend} let {hero} hold the {toy}. <glad>

            ["Will you come again tomorrow?" asked {hero}.|"Shall we meet again tomorrow?" asked {friend}.] ["Yes! And
            the day after tomorrow,"|"I will come every day,"] said [the other|the other one]. [Now {place} did not feel
            empty any more.|After that one hardly ever saw one of them without the other.] <close>
        """,
    ),
    Plot(
        name="a friend is ill",
        title="[{hero} helps {friend}|a visit for {friend}|get well soon, {friend}|the soup]",
        slots={"trouble cannot remedy well": _TROUBLES, "food": FOODS, "game": _GAMES},
        text="""
            <opening> [{His} best friend was {friend}, {a_friend}.|Every day {he} played {game} with {his} friend
            {friend}, {a_friend}.]

            {Day}, {friend} did not come to {place}. {Hero} waited and waited. <sky> [At last|After an hour] {he} went
            to see what was wrong. {Trouble}. Poor {friend} {cannot}. ["I am so bored,"|"And it is such a fine day,"|"I
            feel terrible,"] said {friend} [sadly|in a small voice].

            {Hero} ran home and asked {helper}, "What can I do for {friend}?" ["Take {fhim} this,"|"Here is something
            that always helps,"] said {helper}, and {hhe} gave {hero} {remedy}. {Hero} [also took some {food}|put some
            {food} in the basket too], and {he} [hurried|ran] back without stopping. <on_the_way>

            [Then {he} sat down beside the bed and told {fhim} a story. It was about|Then {he} sang all the songs that
            {he} knew. The best one was about|Then they made up a story together. It was about] [a snail who wanted to
            see the sea|a king who was afraid of mice|a cloud that could not rain|a fish who learned to sing|a bear who
            lost his shadow]. {Friend} [laughed for the first time that day|forgot all about feeling bad|wanted to hear
            it twice].

            {Hero} came back every day. {Well} ["You are a good doctor,"|"You made me well,"] said {friend}. "[It was
            the {food}|It was the story]," said {hero}. They went out to {place} and played {game} in the fresh air.
            <glad>

            [And when {hero} caught a cold in the winter, guess who came with {food}!|Some weeks later it was {hero} who
            had to stay in bed, and then {friend} came every day.] <close>
        """,
    ),
    Plot(
        name="baking with what others give",
        title="[the {food}|{hero} needs some {missing}|a pinch of this and a pinch of that|everybody's {food}]",
        slots={"missing ask given, missing_b ask_b given_b": _MISSING, "food": FOODS},
        text="""
            <opening>

            {Day}, {hero} wanted to make {food}. {He} put on an apron and got out the biggest bowl. But {he} had run out
            of {missing}, and of {missing_b} as well. ["What now?" said {hero}.|{Hero} looked in every cupboard, but in
            vain.] <sky>

            {He} went to {friend}, {a_friend}, who lived close by. "[Good morning|Hello], {friend}," {he} said. "I want
            to make {food}. Could you give me {ask}?" "[Of course|With pleasure]!" said {friend}, and {fhe} gave {him}
            {given}. "May I come and help?" "[Yes, please|The more, the merrier]," said {hero}.

            Then the two of them went to {helper}. "We want to make {food}," they said. "Could you give us {ask_b}?"
            {Helper} [laughed|looked on the top shelf]. "[You are lucky|Here you are]," {hhe} said, and {hhe} gave them
            {given_b}. "[Save a piece for me|I will come when I smell it]."

            Now they had everything. {Hero} stirred and {friend} [held the bowl|sang a song about {food}|measured
            everything twice]. [There was flour on the floor, on the table and on {friend}'s nose.|Once the spoon fell
            into the bowl, and once {friend} nearly did.] At last it was in the oven. They [sat down in front of it and
            waited|did not go away for a moment].

            And how good it smelled! Soon there was a knock at the door. It was {helper}. [Then the neighbours came, one
            after the other.|And behind {hhim} stood everybody who lived nearby.] ["There is enough for
            everybody,"|"Come in, come in,"] said {hero}. They all ate until there was not a crumb left. <glad> ["I can
            taste your {missing},"|"It tastes of friends,"] said {friend}. <close>
        """,
    ),
    Plot(
        name="a quarrel and making up",
        title="[the quarrel|{hero} and {friend} quarrel|friends again|{hero}, {friend} and the silly quarrel]",
        slots={"about end": _QUARRELS, "food": FOODS},
        text="""
            <opening> {His} best friend was {friend}, {a_friend}. They did everything together[, and they never
            quarrelled|].

            But {day} they began to quarrel about {about}. ["It is just as I say!" said {hero}.|"I am right!" said
            {hero}.] ["No, I am right!" said {friend}.|"No, it is not!" said {friend}.] They [shouted|got louder and
            louder] until the birds flew away. ["I will never play with you again!"|"You are not my friend any more!"]
            [cried|shouted] {hero}, and {he} went home. {Friend} went home too.

            <sky> {Hero} tried to play alone. {He} [built a tower, but nobody was there to see it|threw the ball, but
            nobody threw it back|told a joke, but nobody laughed]. It was very quiet. <sad>

            {Helper} saw {him} sitting there. ["Where is {friend} today?" {hhe} asked.|"Have you lost something?" {hhe}
            asked.] ["We quarrelled,"|"{Friend} was wrong, and I was right,"] said {hero}. "[And which would you rather
            have|What is better]," asked {helper}, "to be right, or to have a friend?" {Hero} thought about it [for a
            long time|until the soup was cold].

            Then {he} took some {food} and [ran|set out] to {friend}. <on_the_way> Halfway there, on the path, {he} met
            somebody who was carrying some {food} too. It was {friend}! ["I am sorry," they both said at the same
            time.|"I wanted to say that I am sorry," said {hero}. "So did I," said {friend}.] And then they both had to
            laugh.

            [What about the quarrel?|And who had been right?] {End} <glad> They sat down and ate up both their lunches.
            <close>
        """,
    ),
    Plot(
        name="one thing for another",
        title="[{hero} makes a trade|a fair trade|{hero} at the market|a@ {noun} for {friend}]",
        slots={"first who got because, first_b who_b got_b because_b": _TRADES, "toy noun": TOYS},
        text="""
            <opening> {His} friend {friend}, {a_friend}, wished for a@ {toy}, but {fhe} had never told anybody except
            {hero}.

            {Day}, {hero} set out to get one. {He} had no money, only a@ {first} and a@ {first_b}. ["That is not much,"
            {he} thought, "but it is a start."|"I will see how far I get," {he} thought.] <sky>

            Near {place} {he} met {who} who looked [worried|unhappy]. ["What is wrong?" asked {hero}.|"Can I help you?"
            asked {hero}.] It turned out that this was somebody who {because}. "[I can help you|I have just the thing],"
            said {hero}, and {he} gave away the {first}. "How kind of you!" said the other. "[Take this for your
            trouble|I have something for you too]." And so {hero} got {got}.

            <on_the_way> A little later {he} met {who_b} who {because_b}. ["Then you can have this,"|"Perhaps this will
            help,"] said {hero}, and {he} gave away the {first_b}. [For that {he} got {got_b}.|"You are a good
            {kind_noun}," said the other, and gave {him} {got_b}.] Now {hero} had {got} and {got_b}.

            At the end of the road stood {helper} with a@ {toy}. ["What a beautiful {noun}!" said {hero}.|{Hero}'s eyes
            grew round.] "[I do not need it any more|It has been in my cupboard for years]," said {helper}. "But I will
            not give it away for nothing." "[Then let us trade|I have something for you]," said {hero}, and {he} gave
            {hhim} [both|everything that {he} had]. {Helper} was [delighted|very pleased].

            In the evening {hero} knocked at {friend}'s door. "This is for you," {he} said. {Friend} [could not speak
            for joy|looked at the {noun}, and then at {hero}]. "But what did you pay for it?" {fhe} asked. "[Only things
            that others needed more than I did|Just a@ {first} and a@ {first_b}]," said {hero}. <glad> <close>
        """,
    ),
    Plot(
        name="feeding the birds in the snow",
        title="[winter guests|{hero} and the hungry birds|crumbs in the snow]",
        slots={"food": FOODS},
        seasons=("winter",),
        text="""
            <opening>

            {Day}, everything was white. <sky> {Hero} sat in the warm {house} and ate some {food}. Then {he} saw
            something outside. It was a little bird. It [hopped around in the snow|sat on a branch with its feathers
            puffed up] and looked for something to eat, but everything was [covered with snow|frozen hard].

            ["It must be hungry," thought {hero}.|"You poor little bird," said {hero}.] {He} took [a piece of the
            {food}|a handful of crumbs] and went out into the cold. The bird flew up [in fright|into the tree]. {Hero}
            put the crumbs down, went back a few steps and [waited|stood very still]. At last the bird came down and
            ate.

            The next morning there were [five|six|seven] birds, and the day after that there were too many to count. ["I
            do not have enough food for all of them,"|"This is more than I can do alone,"] said {hero} to {helper}.
            ["Ask your friends,"|"Then you need help,"] said {helper}.

            So {hero} went to {friend}, {a_friend}. {Friend} had [a bag of seeds|some old bread|dried berries] at home.
            The two of them [built a small house with a roof|hung little bags in the branches|cleared a place in the
            snow], and every morning they filled it. [Sometimes one bird even sat on {hero}'s hat.|Soon the birds were
            not afraid any more.]

            Then the snow melted, and the first flowers came out. One morning {hero} woke up because somebody was
            singing. {He} looked out. The tree in front of the {house} was full of birds, and all of them were singing
            at once! ["They are saying thank you," said {friend}.|"I think it is for us," said {friend}.] <glad> <close>
        """,
    ),
)
